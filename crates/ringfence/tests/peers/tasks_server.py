"""A server with the tasks extension of 2026-07-28, on standard streams or over HTTP. Without an SDK:
those that the other servers are made with do not have the extension.

tasks_server.py [--http]

Over HTTP it listens on a port that is free; the first line says which. What a task has come to is
worked out when somebody asks, so nothing runs in between.
"""

import json
import sys
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

REVISION = "2026-07-28"
META = "io.modelcontextprotocol/"
EXTENSION = "io.modelcontextprotocol/tasks"

METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL = -32601, -32602, -32603
HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_REVISION = -32020, -32021, -32022

names = count(1)
tasks = {}


class Refused(Exception):
    def __init__(self, code, message, data=None):
        super().__init__(message)
        self.error = {"code": code, "message": message} | ({"data": data} if data else {})


def text(words, **more):
    return {"content": [{"type": "text", "text": words}], "resultType": "complete", **more}


def question(message, name):
    schema = {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}
    return {
        "method": "elicitation/create",
        "params": {"mode": "form", "message": message, "requestedSchema": schema},
    }


def now():
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Task:
    """Ends `seconds` after its questions are answered, in `end`: what `tasks/get` adds."""

    def __init__(self, end, seconds=0.0, questions=None):
        self.name = f"task-{next(names)}"
        self.end, self.seconds = end, seconds
        self.questions = dict(questions or {})
        self.answers = {}
        self.runs_since = time.monotonic()
        self.created = now()
        self.is_cancelled = False
        tasks[self.name] = self

    def state(self):
        if self.is_cancelled:
            return {"status": "cancelled"}
        if self.questions:
            return {"status": "input_required", "inputRequests": self.questions}
        if time.monotonic() - self.runs_since < self.seconds:
            return {"status": "working"}
        return self.end(self.answers)

    def shown(self, state, result_type):
        return {
            "resultType": result_type,
            "taskId": self.name,
            "createdAt": self.created,
            "lastUpdatedAt": now(),
            "ttlMs": 60_000,
            "pollIntervalMs": 100,
            **state,
        }

    def answer(self, answers):
        for name in answers.keys() & self.questions.keys():
            self.answers[name] = answers[name]
            del self.questions[name]
        self.runs_since = time.monotonic()

    def cancel(self):
        if self.state()["status"] in ("working", "input_required"):
            self.is_cancelled = True


def completed(result):
    return lambda _answers: {"status": "completed", "result": result}


def failed(_answers):
    return {"status": "failed", "error": {"code": INTERNAL, "message": "it broke"}}


def escalate(params):
    """Asks first, as any call does, and goes on as a task."""
    answer = params.get("inputResponses", {}).get("user_name")
    if answer is None:
        return None
    return Task(completed(text(f"done for {answer['content']['name']}")), 0.1)


# What each tool does: a result, or a task where its client knows of tasks.
def greet(arguments):
    return text(f"Hello, {arguments['name']}!")


def slow_compute(arguments):
    return Task(completed(text("computed")), arguments.get("seconds", 0))


def failing_job(_arguments):
    return Task(completed(text("it did not work", isError=True)), 1.0)


def protocol_error_job(_arguments):
    return Task(failed, 0.1)


def confirm_delete(_arguments):
    return Task(completed(text("deleted")), 0.0, {"confirm": question("Delete it?", "confirm")})


def multi_input(_arguments):
    questions = {name: question(f"And the {name}?", name) for name in ("first", "second")}
    return Task(completed(text("both")), 0.0, questions)


TOOLS = {
    "greet": (greet, {"name": {"type": "string"}}),
    "slow_compute": (slow_compute, {"seconds": {"type": "number"}, "label": {"type": "string"}}),
    "failing_job": (failing_job, {}),
    "protocol_error_job": (protocol_error_job, {}),
    "confirm_delete": (confirm_delete, {"filename": {"type": "string"}}),
    "multi_input": (multi_input, {}),
    "test_tool_with_task": (None, {}),
}
# These have nothing to say to who does not know of tasks.
NEED_TASKS = {"failing_job", "test_tool_with_task"}


def knows_tasks(params):
    return EXTENSION in params["_meta"][META + "clientCapabilities"].get("extensions", {})


def need_tasks(params):
    if not knows_tasks(params):
        missing = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
        raise Refused(MISSING_CAPABILITY, "the client does not know of tasks", missing)


def call(params):
    name = params.get("name")
    if name not in TOOLS:
        raise Refused(INVALID_PARAMS, f"there is no tool {name}")
    if name in NEED_TASKS:
        need_tasks(params)
    run, _ = TOOLS[name]
    came = escalate(params) if run is None else run(params.get("arguments", {}))
    if came is None:
        asked = {"user_name": question("For whom?", "name")}
        return {"resultType": "input_required", "inputRequests": asked, "requestState": "asked"}
    if not isinstance(came, Task):
        return came
    if knows_tasks(params):
        return came.shown({"status": came.state()["status"]}, "task")
    time.sleep(came.seconds)
    return came.state().get("result") or text("nobody can be asked", isError=True)


def named(params):
    need_tasks(params)
    if params.get("taskId") not in tasks:
        raise Refused(INVALID_PARAMS, "there is no such task")
    return tasks[params["taskId"]]


def answer(method, params):
    match method:
        case "server/discover":
            capabilities = {"tools": {}, "extensions": {EXTENSION: {}}}
            cached = {"ttlMs": 0, "cacheScope": "private"}
            return {"supportedVersions": [REVISION], "capabilities": capabilities, **cached}
        case "tools/list":
            listed = [
                {
                    "name": name,
                    "description": f"The suite calls for {name}.",
                    "inputSchema": {"type": "object", "properties": properties},
                }
                for name, (_, properties) in TOOLS.items()
            ]
            return {"tools": listed, "ttlMs": 0, "cacheScope": "private"}
        case "tools/call":
            return call(params)
        case "tasks/get":
            task = named(params)
            return task.shown(task.state(), "complete")
        case "tasks/update":
            named(params).answer(params.get("inputResponses", {}))
            return {}
        case "tasks/cancel":
            named(params).cancel()
            return {}
    raise Refused(METHOD_NOT_FOUND, f"there is no method {method}")


def respond(request, headers=None):
    """The response to a request; over HTTP its headers have to say the same."""
    reply = {"jsonrpc": "2.0", "id": request["id"]}
    params = request.get("params", {})
    meta = params.get("_meta", {})
    try:
        for key in ("protocolVersion", "clientCapabilities"):
            if META + key not in meta:
                raise Refused(INVALID_PARAMS, f"`_meta` has no {key}")
        asked = meta[META + "protocolVersion"]
        if headers is not None:
            agree(request, params, asked, headers)
        if asked != REVISION:
            data = {"supported": [REVISION], "requested": asked}
            raise Refused(UNSUPPORTED_REVISION, "this revision is not spoken here", data)
        result = {"resultType": "complete", **answer(request["method"], params)}
        result["_meta"] = {META + "serverInfo": {"name": "tasks", "version": "1.0.0"}}
        return {**reply, "result": result}
    except Refused as refused:
        return {**reply, "error": refused.error}


def agree(request, params, asked, headers):
    wanted = {"MCP-Protocol-Version": asked, "Mcp-Method": request["method"]}
    match request["method"]:
        case "tools/call":
            wanted["Mcp-Name"] = params.get("name")
        case "tasks/get" | "tasks/update" | "tasks/cancel":
            wanted["Mcp-Name"] = params.get("taskId")
    for name, value in wanted.items():
        if headers.get(name) != value:
            raise Refused(HEADER_MISMATCH, f"{name} does not say what the body says")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "id" not in request:
            return self.send(202)
        reply = respond(request, self.headers)
        match reply.get("error", {}).get("code"):
            case None:
                status = 200
            case code if code == METHOD_NOT_FOUND:
                status = 404
            case code if code in (HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_REVISION):
                status = 400
            case _:
                status = 200
        self.send(status, json.dumps(reply).encode())

    def do_GET(self):
        self.send(405)

    do_DELETE = do_GET

    def send(self, status, body=b""):
        self.send_response(status)
        if body:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    if sys.argv[1:] == ["--http"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        print(server.server_address[1], flush=True)
        server.serve_forever()
    for line in sys.stdin:
        request = json.loads(line)
        if "id" in request and "method" in request:
            print(json.dumps(respond(request)), flush=True)


main()
