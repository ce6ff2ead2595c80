"""A small HTTP server with Qdrant's REST interface, in front of the client's own local mode.

It parses requests and writes replies with the records of the client, and numbers as a server of
32-bit floats writes them. A real server is not part of it: what is tested here is our client path.
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
from qdrant_client import QdrantClient, models


class Server:
    """Serves on a free port until ``stop``; ``fails`` are the requests refused, with a status."""

    def __init__(self, key=None):
        self.key, self.fails, self.asked = key, {}, []
        self.base = QdrantClient(":memory:")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def serve(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.asked.append((self.command, self.path, len(body)))
                status, reply = outer.answer(
                    self.command, self.path, body, self.headers.get("api-key")
                )
                data = json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_DELETE = serve  # noqa: N815

            def log_message(self, *_):
                pass

        self._http = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._http.server_port
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self.base.close()

    def answer(self, verb, path, body, key):
        if self.key is not None and key != self.key:
            return 401, {"status": {"error": f"Invalid API key {key}"}, "time": 0}
        for pattern, status in self.fails.items():
            if re.search(pattern, f"{verb} {path} {len(body)}"):
                return status, {"status": {"error": "made to fail"}, "time": 0}
        path = path.partition("?")[0]
        for (wanted, pattern), answer in ROUTES.items():
            if verb == wanted and (match := re.fullmatch(pattern, path)):
                try:
                    result = answer(self.base, json.loads(body or b"{}"), *match.groups())
                except ValueError as error:
                    status = 404 if "not found" in str(error) else 400
                    return status, {"status": {"error": str(error)}, "time": 0}
                return 200, {"result": short(plain(result)), "status": "ok", "time": 0.001}
        return 404, {"status": {"error": f"no route {verb} {path}"}, "time": 0}


def plain(result):
    if isinstance(result, list | tuple):
        return [plain(one) for one in result]
    return result.model_dump(mode="json") if hasattr(result, "model_dump") else result


def short(value, key=None):
    """Vectors as a server writes them: the shortest text of a 32-bit float."""
    if isinstance(value, dict):
        return {name: short(one, name) for name, one in value.items()}
    if isinstance(value, list):
        numbers = key == "vector" and value and isinstance(value[0], float)
        return [float(str(np.float32(v))) if numbers else short(v) for v in value]
    return value


def scroll(base, body, name):
    asked = models.ScrollRequest(**body)
    points, following = base.scroll(
        name, asked.filter, asked.limit, offset=asked.offset,
        with_payload=asked.with_payload, with_vectors=asked.with_vector,
    )  # fmt: skip
    return {"points": plain(points), "next_page_offset": following}


def put_points(base, body, name):
    points = models.PointsList(**body).points if "points" in body else body["batch"]
    return base.upsert(name, points)


def retrieve(base, body, name):
    asked = models.PointRequest(**body)
    return base.retrieve(name, asked.ids, asked.with_payload, asked.with_vector)


def search(base, body, name):
    asked = models.QueryRequestBatch(**body).searches
    return base.query_batch_points(name, asked)


def create(base, body, name):
    asked = models.CreateCollection(**body)
    return base.create_collection(
        name, asked.vectors, asked.sparse_vectors, metadata=asked.metadata
    )


def index(base, body, name):
    asked = models.CreateFieldIndex(**body)
    INDEXED.setdefault(name, {})[asked.field_name] = {
        "data_type": asked.field_schema, "points": 0
    }  # fmt: skip
    return {"operation_id": 0, "status": "completed"}


def about(base, body, name):
    real = base._client.aliases.get(name, name)
    return plain(base.get_collection(name)) | {"payload_schema": INDEXED.get(real, {})}


#: Payload indexes, which the local mode does not keep: collection -> field -> what it is.
INDEXED = {}
_C = "/collections/([^/]+)"
ROUTES = {
    ("GET", "/collections"): lambda base, _: base.get_collections(),
    ("GET", "/aliases"): lambda base, _: base.get_aliases(),
    ("GET", _C): about,
    ("PUT", _C): create,
    ("DELETE", _C): lambda base, _, name: base.delete_collection(name),
    ("POST", "/collections/aliases"): lambda base, body: base.update_collection_aliases(
        models.ChangeAliasesOperation(**body).actions
    ),
    ("PUT", f"{_C}/index"): index,
    ("PUT", f"{_C}/points"): put_points,
    ("POST", f"{_C}/points"): retrieve,
    ("POST", f"{_C}/points/scroll"): scroll,
    ("POST", f"{_C}/points/query/batch"): search,
    ("POST", f"{_C}/points/count"): lambda base, body, name: base.count(
        name, models.CountRequest(**body).filter, exact=True
    ),
    ("POST", f"{_C}/points/delete"): lambda base, body, name: base.delete(
        name, models.PointIdsList(**body)
    ),
    ("PUT", f"{_C}/points/vectors"): lambda base, body, name: base.update_vectors(
        name, models.UpdateVectors(**body).points
    ),
}
