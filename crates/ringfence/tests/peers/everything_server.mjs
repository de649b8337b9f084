// A server on the TypeScript SDK with everything that the conformance suite calls for, for both
// eras of the protocol: what it asks of a client is asked as `input_required` in 2026-07-28 and by
// requests of its own before.
//
//     node everything_server.mjs MODULES [--http]
//
// MODULES is the folder whose `node_modules` has the SDK. Over HTTP it listens on a port that is
// free; the first line says which.

import { createRequire } from "node:module";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { randomUUID } from "node:crypto";

const [modules, overHttp] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const sdk = require("@modelcontextprotocol/server");

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

const text = (words) => ({ type: "text", text: words });
const image = { type: "image", data: PNG, mimeType: "image/png" };
const embedded = (uri, mimeType, words) => ({ type: "resource", resource: { uri, mimeType, text: words } });
const object = (properties = {}, required = Object.keys(properties)) => ({ type: "object", properties, required });
const string = { type: "string" };

const form = (message, requestedSchema) => ({
  method: "elicitation/create",
  params: { mode: "form", message, requestedSchema },
});
const sample = (words, maxTokens) => ({
  method: "sampling/createMessage",
  params: { messages: [{ role: "user", content: text(words) }], maxTokens },
});
const listRoots = { method: "roots/list", params: {} };

const invalid = (message, data) => new sdk.ProtocolError(sdk.INVALID_PARAMS, message, data);

// What a client says of earlier rounds comes back sealed, or is refused.
const states = sdk.createRequestStateCodec({ key: "the everything-server of the peers' tests" });

// Asks until every question has an answer of its kind, then says what follows from the answers.
function asking(questions, then, { state } = {}) {
  return async (_arguments, call) => {
    const answers = Object.fromEntries(
      Object.keys(questions).map((name) => [name, sdk.inputResponse(call.inputResponses, name)]),
    );
    const open = Object.entries(questions).filter(([name, question]) => !answersIt(question, answers[name]));
    if (open.length > 0) {
      const asked = { inputRequests: Object.fromEntries(open) };
      if (state) asked.requestState = await states.mint(state, call.context);
      return sdk.inputRequired(asked);
    }
    return { content: [text(then(answers, call))] };
  };
}

function answersIt(question, answer) {
  switch (question.method) {
    case "elicitation/create": {
      if (answer.kind !== "elicit") return false;
      const wanted = question.params.requestedSchema.required ?? [];
      return answer.action !== "accept" || wanted.every((name) => answer.content?.[name] !== undefined);
    }
    case "sampling/createMessage": return answer.kind === "sampling";
    default: return answer.kind === "roots";
  }
}

const elicited = (answer) => `action=${answer.action}, content=${JSON.stringify(answer.content ?? {})}`;
const sampled = (answer) => [answer.result.content].flat().map((block) => block.text).join("");

const options = (of, ...names) => of.map((value, at) => ({ const: value, title: names[at] }));

const SCHEMA_2020_12 = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: { address: { $anchor: "addressDef", type: "object", properties: { street: string, city: string } } },
  properties: { name: string, address: { $ref: "#/$defs/address" }, phone: string, email: string },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { required: ["phone"] },
  then: { properties: { phone: { minLength: 1 } } },
  else: { required: ["email"] },
  additionalProperties: false,
};

const tools = {
  test_simple_text: { run: () => ({ content: [text("This is a simple text response for testing.")] }) },
  test_image_content: { run: () => ({ content: [image] }) },
  test_audio_content: { run: () => ({ content: [{ type: "audio", data: WAV, mimeType: "audio/wav" }] }) },
  test_embedded_resource: {
    run: () => ({
      content: [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")],
    }),
  },
  test_multiple_content_types: {
    run: () => ({
      content: [
        text("Multiple content types test:"),
        image,
        embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
      ],
    }),
  },
  test_tool_with_logging: {
    async run(_arguments, call) {
      for (const words of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
        await call.context.mcpReq.log("info", words);
        await pause(50);
      }
      return { content: [text("logged")] };
    },
  },
  test_logging_tool: {
    async run(_arguments, call) {
      await call.context.mcpReq.log("info", "it runs");
      return { content: [text("logged where that was wanted")] };
    },
  },
  test_tool_with_progress: {
    async run(_arguments, call) {
      const { _meta, notify } = call.context.mcpReq;
      for (const progress of [0, 50, 100]) {
        if (_meta?.progressToken !== undefined) {
          const params = { progressToken: _meta.progressToken, progress, total: 100 };
          await notify({ method: "notifications/progress", params });
        }
        await pause(50);
      }
      return { content: [text("done")] };
    },
  },
  test_error_handling: {
    run: () => ({ isError: true, content: [text("This tool intentionally returns an error for testing")] }),
  },
  test_reconnection: {
    async run(_arguments, call) {
      call.context.http?.closeSSE?.();
      await pause(100);
      return { content: [text("reconnected")] };
    },
  },
  test_sampling: {
    inputSchema: object({ prompt: string }),
    run: ({ prompt }, call) =>
      asking({ said: sample(prompt, 100) }, ({ said }) => `LLM response: ${sampled(said)}`)({}, call),
  },
  test_elicitation: {
    inputSchema: object({ message: string }),
    run({ message }, call) {
      const wanted = object({ username: string, email: string });
      return asking({ said: form(message, wanted) }, ({ said }) => `User response: ${elicited(said)}`)({}, call);
    },
  },
  test_elicitation_sep1034_defaults: {
    run: asking(
      {
        said: form(
          "Who is it?",
          object(
            {
              name: { type: "string", default: "John Doe" },
              age: { type: "integer", default: 30 },
              score: { type: "number", default: 95.5 },
              status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
              verified: { type: "boolean", default: true },
            },
            [],
          ),
        ),
      },
      ({ said }) => `Elicitation completed: ${elicited(said)}`,
    ),
  },
  test_elicitation_sep1330_enums: {
    run: asking(
      {
        said: form(
          "Which of them?",
          object(
            {
              untitledSingle: { type: "string", enum: ["option1", "option2", "option3"] },
              titledSingle: {
                type: "string",
                oneOf: options(["value1", "value2", "value3"], "First Option", "Second Option", "Third Option"),
              },
              legacyEnum: {
                type: "string",
                enum: ["opt1", "opt2", "opt3"],
                enumNames: ["Option One", "Option Two", "Option Three"],
              },
              untitledMulti: { type: "array", items: { type: "string", enum: ["option1", "option2", "option3"] } },
              titledMulti: {
                type: "array",
                items: {
                  anyOf: options(["value1", "value2", "value3"], "First Choice", "Second Choice", "Third Choice"),
                },
              },
            },
            [],
          ),
        ),
      },
      ({ said }) => `Elicitation completed: ${elicited(said)}`,
    ),
  },
  json_schema_2020_12_tool: {
    inputSchema: SCHEMA_2020_12,
    run: () => ({ content: [text("taken")] }),
  },
  test_x_mcp_header: {
    inputSchema: object({ region: { type: "string", "x-mcp-header": "Region" } }, []),
    run: ({ region }) => ({ content: [text(`region=${region}`)] }),
  },
  test_missing_capability: {
    run(_arguments, call) {
      if (!call.capabilities?.sampling) {
        throw new sdk.MissingRequiredClientCapabilityError({ requiredCapabilities: { sampling: {} } });
      }
      return { content: [text("the client can sample")] };
    },
  },
  test_streaming_elicitation: {
    run: asking({ said: form("A word?", object({ word: string })) }, ({ said }) => elicited(said)),
  },
  test_trigger_tool_change: {
    async run(_arguments, call) {
      await call.changed.tools();
      return { content: [text("the tools have changed")] };
    },
  },
  test_trigger_prompt_change: {
    async run(_arguments, call) {
      await call.changed.prompts();
      return { content: [text("the prompts have changed")] };
    },
  },
  test_input_required_result_elicitation: {
    run: asking(
      { user_name: form("What is your name?", object({ name: string })) },
      ({ user_name }) => `Hello, ${user_name.content?.name}!`,
    ),
  },
  test_input_required_result_sampling: {
    run: asking(
      { capital_question: sample("What is the capital of France?", 100) },
      ({ capital_question }) => sampled(capital_question),
    ),
  },
  test_input_required_result_list_roots: {
    run: asking({ client_roots: listRoots }, ({ client_roots }) => JSON.stringify(client_roots.roots)),
  },
  test_input_required_result_request_state: {
    run: asking(
      { confirm: form("Please confirm", object({ ok: { type: "boolean" } })) },
      (_answers, call) => (call.state?.asked === "confirm" ? "state-ok" : "the state is missing"),
      { state: { asked: "confirm" } },
    ),
  },
  test_input_required_result_tampered_state: {
    run: asking(
      { confirm: form("Please confirm", object({ ok: { type: "boolean" } })) },
      (_answers, call) => (call.state?.asked === "confirm" ? "state-ok" : "the state is missing"),
      { state: { asked: "confirm" } },
    ),
  },
  test_input_required_result_multiple_inputs: {
    run: asking(
      {
        user_name: form("What is your name?", object({ name: string })),
        greeting: sample("Generate a greeting", 50),
        client_roots: listRoots,
      },
      ({ user_name, greeting }) => `${sampled(greeting)}, ${user_name.content?.name}`,
      { state: { asked: "everything" } },
    ),
  },
  test_input_required_result_multi_round: {
    run(_arguments, call) {
      if (call.state === undefined) {
        const first = { step1: form("Step 1: What is your name?", object({ name: string })) };
        return asking(first, () => "", { state: { rounds: 1 } })({}, { ...call, inputResponses: {} });
      }
      const second = { step2: form("Step 2: What is your favorite color?", object({ color: string })) };
      return asking(second, ({ step2 }) => `It is ${step2.content?.color}.`, { state: { rounds: 2 } })({}, call);
    },
  },
  test_input_required_result_capabilities: {
    run(_arguments, call) {
      const all = {
        elicitation: ["name", form("What is your name?", object({ name: string }))],
        sampling: ["greeting", sample("Generate a greeting", 50)],
        roots: ["roots", listRoots],
      };
      const can = Object.keys(all).filter((capability) => call.capabilities?.[capability]);
      return asking(Object.fromEntries(can.map((capability) => all[capability])), () => "answered")({}, call);
    },
  },
};

const asUser = (content) => ({ role: "user", content });
const prompts = {
  test_simple_prompt: { run: () => [asUser(text("This is a simple prompt for testing."))] },
  test_prompt_with_arguments: {
    arguments: ["arg1", "arg2"],
    run: ({ arg1, arg2 }) => [asUser(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))],
  },
  test_prompt_with_embedded_resource: {
    arguments: ["resourceUri"],
    run: ({ resourceUri }) => [
      asUser(embedded(resourceUri, "text/plain", "Embedded resource content for testing.")),
      asUser(text("Please process the embedded resource above.")),
    ],
  },
  test_prompt_with_image: { run: () => [asUser(image), asUser(text("Please analyze the image above."))] },
  test_input_required_result_prompt: {
    run(_arguments, call) {
      const answer = sdk.inputResponse(call.inputResponses, "user_context");
      if (answer.kind === "elicit") return [asUser(text(`The context: ${answer.content?.context}`))];
      const question = form("What context should the prompt use?", object({ context: string }));
      return sdk.inputRequired({ inputRequests: { user_context: question } });
    },
  },
};

const resources = {
  "test://static-text": {
    name: "static-text",
    mimeType: "text/plain",
    text: "This is the content of the static text resource.",
  },
  "test://static-binary": { name: "static-binary", mimeType: "image/png", blob: PNG },
  "test://watched-resource": { name: "watched", mimeType: "text/plain", text: "It may change." },
};

function read(uri) {
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  if (id !== undefined) {
    const data = JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` });
    return { uri, mimeType: "application/json", text: data };
  }
  if (!Object.hasOwn(resources, uri)) throw invalid("Resource not found", { uri });
  const { name: _name, ...contents } = resources[uri];
  return { uri, ...contents };
}

// One for each connection or, over HTTP and in 2026-07-28, for each request. `changes` tells
// whoever listens that lists have changed, where that is not the server's own client.
function serve(changes) {
  const capabilities = {
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { subscribe: true, listChanged: true },
    completions: {},
    logging: {},
  };
  const server = new sdk.Server(
    { name: "everything", version: "1.0.0" },
    { capabilities, requestState: { verify: states.verify } },
  );
  const changed = changes ?? {
    tools: () => server.sendToolListChanged(),
    prompts: () => server.sendPromptListChanged(),
  };
  const calling = (context) => ({
    context,
    changed,
    inputResponses: context.mcpReq.inputResponses ?? {},
    state: context.mcpReq.requestState(),
    capabilities:
      context.mcpReq.envelope?.["io.modelcontextprotocol/clientCapabilities"] ?? server.getClientCapabilities(),
  });
  const found = (all, kind, name) => {
    if (!Object.hasOwn(all, name)) throw invalid(`there is no ${kind} ${name}`);
    return all[name];
  };
  server.setRequestHandler("tools/list", () => ({
    tools: Object.entries(tools).map(([name, { inputSchema = object() }]) => ({
      name,
      description: `The suite calls for ${name}.`,
      inputSchema,
    })),
  }));
  server.setRequestHandler("tools/call", ({ params }, context) =>
    found(tools, "tool", params.name).run(params.arguments ?? {}, calling(context)),
  );
  server.setRequestHandler("prompts/list", () => ({
    prompts: Object.entries(prompts).map(([name, prompt]) => ({
      name,
      description: `The suite calls for ${name}.`,
      arguments: (prompt.arguments ?? []).map((argument) => ({ name: argument, required: true })),
    })),
  }));
  server.setRequestHandler("prompts/get", ({ params }, context) => {
    const said = found(prompts, "prompt", params.name).run(params.arguments ?? {}, calling(context));
    return Array.isArray(said) ? { messages: said } : said;
  });
  server.setRequestHandler("resources/list", () => ({
    resources: Object.entries(resources).map(([uri, { name, mimeType }]) => ({
      uri,
      name,
      mimeType,
      description: `The suite reads ${uri}.`,
    })),
  }));
  server.setRequestHandler("resources/templates/list", () => ({
    resourceTemplates: [
      { uriTemplate: "test://template/{id}/data", name: "data", mimeType: "application/json" },
    ],
  }));
  server.setRequestHandler("resources/read", ({ params }) => ({ contents: [read(params.uri)] }));
  server.setRequestHandler("resources/subscribe", () => ({}));
  server.setRequestHandler("resources/unsubscribe", () => ({}));
  server.setRequestHandler("completion/complete", () => ({ completion: { values: [], total: 0, hasMore: false } }));
  return server;
}

// Everything that was said on a stream, so that a client that lost it can hear the rest.
function events() {
  const said = [];
  return {
    async storeEvent(stream, message) {
      return String(said.push({ stream, message }));
    },
    async replayEventsAfter(last, { send }) {
      const { stream } = said[Number(last) - 1];
      for (const [at, event] of said.entries()) {
        const isMessage = Object.keys(event.message).length > 0;
        if (at >= Number(last) && event.stream === stream && isMessage) await send(String(at + 1), event.message);
      }
      return stream;
    },
  };
}

// 2026-07-28 by requests that stand alone, what came before by sessions.
function listen() {
  const { toNodeHandler } = require("@modelcontextprotocol/node");
  const sessions = new Map();
  let alone;
  const changes = { tools: () => alone.notify.toolsChanged(), prompts: () => alone.notify.promptsChanged() };
  alone = sdk.createMcpHandler(() => serve(changes), { legacy: "reject" });

  async function inSession(request) {
    const id = request.headers.get("mcp-session-id");
    if (id !== null && sessions.has(id)) return sessions.get(id).handleRequest(request);
    if (id !== null) return new Response(null, { status: 404 });
    const transport = new sdk.WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: events(),
      retryInterval: 100,
      onsessioninitialized: (begun) => void sessions.set(begun, transport),
      onsessionclosed: (ended) => void sessions.delete(ended),
    });
    await serve().connect(transport);
    return transport.handleRequest(request);
  }

  const handler = {
    async fetch(request, given) {
      const foreign =
        sdk.hostHeaderValidationResponse(request, sdk.localhostAllowedHostnames()) ??
        sdk.originValidationResponse(request, sdk.localhostAllowedOrigins());
      if (foreign) return foreign;
      return (await sdk.isLegacyRequest(request)) ? inSession(request) : alone.fetch(request, given);
    },
  };
  const http = createServer(toNodeHandler(handler));
  http.listen(0, "127.0.0.1", () => console.log(http.address().port));
}

if (overHttp === "--http") {
  listen();
} else {
  require("@modelcontextprotocol/server/stdio").serveStdio(() => serve());
}
