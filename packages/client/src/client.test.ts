import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { errorAnswer, isServingError, ServingError, type Dialect } from "@corral/contract";
import { allOf, createClient, UnreachableError, type Client } from "./index.ts";

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly body: string | null;
}

/** A client whose server gives these answers one after the other. */
function clientOf(answers: readonly (Response | Error)[], retries?: number) {
  const seen: Seen[] = [];
  const waited: number[] = [];
  const left = [...answers];
  const client: Client = createClient({
    url: "http://corral.test/",
    apiKey: "k",
    ...(retries === undefined ? {} : { retries }),
    wait: async (ms) => void waited.push(ms),
    fetch: async (input, init) => {
      const request = new Request(input, init);
      seen.push({
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: typeof init?.body !== "string" && !(init?.body instanceof Blob) ? null : await request.text(),
      });
      const answer = left.shift();
      if (answer === undefined || answer instanceof Error) throw answer ?? new Error("no answer left");
      return answer;
    },
  });
  return { client, seen, waited };
}

function failure(dialect: Dialect, error: ServingError): Response {
  const { status, headers, body } = errorAnswer(dialect, error, {
    runId: "r1",
    instance: "/x",
    source: "gateway",
  });
  return new Response(body, { status, headers });
}

async function errorOf(act: Promise<unknown>): Promise<ServingError> {
  const error: unknown = await act.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(isServingError(error), String(error));
  return error;
}

const page = (items: unknown[], next: string | null = null) => Response.json({ items, next_cursor: next });

describe("the client", () => {
  it("sends the key, the path and the body of each call", async () => {
    const { client, seen } = clientOf(Array.from({ length: 10 }, () => Response.json({})));
    await client.models.list({ limit: 3, cursor: "c d" });
    await client.deployments.create({ source: "corral-tiny-3", name: "a" });
    await client.deployments.logs("d/1", { tail: 10 });
    await client.keys.revoke("k1");
    await client.secrets.set("hf/x", "v");
    await client.predict("d1", { messages: [] });
    await client.predictIdentifier("llamav2-7b-chat-webhook", { prompt: "x" });
    await client.versions.push(new Blob(["tar"]), { model: "m" });
    await client.runs.get("r");
    await client.models.tokenize("m/1", { text: "x" });
    assert.deepEqual(
      seen.map(({ method, url, body }) => [method, url.replace("http://corral.test", ""), body]),
      [
        ["GET", "/api/v1/models?limit=3&cursor=c+d", null],
        ["POST", "/api/v1/deployments", '{"source":"corral-tiny-3","name":"a"}'],
        ["GET", "/api/v1/deployments/d%2F1/logs?tail=10", null],
        ["DELETE", "/api/v1/keys/k1", null],
        ["PUT", "/api/v1/secrets/hf%2Fx", '{"value":"v"}'],
        ["POST", "/model_versions/d1/predict", '{"messages":[]}'],
        ["POST", "/llamav2-7b-chat-webhook/predict", '{"prompt":"x"}'],
        ["POST", "/api/v1/versions?model=m", "tar"],
        ["GET", "/api/v1/runs/r", null],
        ["POST", "/api/v1/models/m%2F1/tokenize", '{"text":"x"}'],
      ],
    );
    assert.ok(seen.every(({ headers }) => headers.get("authorization") === "Api-Key k"));
    assert.equal(seen[7]?.headers.get("content-type"), "application/x-tar");
  });

  it("walks through all pages of a list", async () => {
    const { client, seen } = clientOf([page([1, 2], "next"), page([3])]);
    const items = [];
    for await (const item of allOf(client.models.list)) items.push(item);
    assert.deepEqual(items, [1, 2, 3]);
    assert.match(seen[1]?.url ?? "", /cursor=next/);
  });

  for (const dialect of ["corral", "baseten", "cerebrium"] as const) {
    it(`rebuilds the server's error from the ${dialect} envelope`, async () => {
      const errors = [
        { pointer: "/top_p", code: "invalid_parameter", message: "top_p is 2; 0 to 1." },
      ] as const;
      const thrown = new ServingError("invalid_parameter", "top_p is 2; 0 to 1.", { errors });
      const { client } = clientOf([failure(dialect, thrown)]);
      const error = await errorOf(client.predict("d", {}));
      assert.deepEqual([error.code, error.message, error.status], ["invalid_parameter", thrown.message, 422]);
      assert.deepEqual(error.errors, errors);
    });
  }

  it("makes a code of the status where the answer is not ours", async () => {
    const { client } = clientOf(
      [
        new Response("<html>", { status: 502 }),
        Response.json({ error: { message: "no", code: "x" } }, { status: 404 }),
        new Response("", { status: 418 }),
      ],
      0,
    );
    assert.equal((await errorOf(client.predict("d", {}))).code, "replica_lost");
    const second = await errorOf(client.predict("d", {}));
    assert.deepEqual([second.code, second.message], ["route_not_found", "no"]);
    assert.equal((await errorOf(client.predict("d", {}))).code, "internal");
  });

  it("repeats a read twice, and a write only when the server says when to come back", async () => {
    const busy = () => failure("corral", new ServingError("queue_full", "full", { retryAfterSeconds: 3 }));
    const plain = () => new Response("", { status: 503 });
    const reads = clientOf([plain(), new TypeError("fetch failed"), page([])]);
    await reads.client.models.list();
    assert.equal(reads.seen.length, 3);
    assert.deepEqual(reads.waited, [250, 500]);

    const refusals = clientOf([busy(), busy(), Response.json({ ok: 1 })]);
    await refusals.client.predict("d", {});
    assert.deepEqual(refusals.waited, [3000, 3000]);

    const unclear = clientOf([plain()]);
    assert.equal((await errorOf(unclear.client.predict("d", {}))).status, 503);
    assert.equal(unclear.seen.length, 1);

    const persistent = clientOf([busy(), busy(), busy(), busy()]);
    const error = await errorOf(persistent.client.predict("d", {}));
    assert.deepEqual([error.code, error.retryAfterSeconds, persistent.seen.length], ["queue_full", 3, 3]);
  });

  it("never sends a stream twice", async () => {
    const { client, seen } = clientOf([failure("corral", new ServingError("queue_full", "full"))]);
    const stream = new Blob(["tar"]).stream();
    assert.equal((await errorOf(client.versions.push(stream))).code, "queue_full");
    assert.equal(seen.length, 1);
  });

  for (const [code, message] of [
    ["ECONNREFUSED", "Nothing listens at http://corral.test."],
    ["EPIPE", "http://corral.test ended the connection before it answered."],
    ["UND_ERR_SOCKET", "http://corral.test ended the connection before it answered."],
  ] as const) {
    it(`says in words what ${code} means`, async () => {
      const failed = new TypeError("fetch failed", { cause: Object.assign(new Error("socket"), { code }) });
      const { client } = clientOf([failed]);
      await assert.rejects(client.predict("d", {}), (error: unknown) => {
        assert.ok(error instanceof UnreachableError);
        assert.equal(error.message, message);
        return true;
      });
    });
  }

  it("gives the caller's reason when the caller aborts", async () => {
    const { client, seen } = clientOf([page([])]);
    const reason = new Error("enough");
    await assert.rejects(client.models.list({ signal: AbortSignal.abort(reason) }), reason);
    assert.equal(seen.length, 0);
  });

  it("keeps an answer that is not JSON apart from an error of the server", async () => {
    const { client } = clientOf([new Response("<html>")]);
    assert.match((await errorOf(client.models.list())).message, /is this a Corral server/);
  });
});

describe("a stream", () => {
  it("yields whole characters and ends with the answer", async () => {
    const bytes = new TextEncoder().encode("Grüße 🐎");
    const chunks = new ReadableStream({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    const { client, seen } = clientOf([new Response(chunks)]);
    let text = "";
    for await (const part of client.predictStream("d", { prompt: "x" })) {
      assert.doesNotMatch(part, /\ufffd/);
      text += part;
    }
    assert.equal(text, "Grüße 🐎");
    assert.equal(seen[0]?.body, '{"prompt":"x","stream":true}');
  });

  it("is aborted by leaving the loop", async () => {
    let signal: AbortSignal | null | undefined;
    const client = createClient({
      url: "http://corral.test",
      fetch: async (_, init) => {
        signal = init?.signal;
        return new Response(
          new ReadableStream({ pull: (controller) => controller.enqueue(new TextEncoder().encode("more ")) }),
        );
      },
    });
    for await (const part of client.predictStream("d", {})) {
      assert.equal(part, "more ");
      break;
    }
    assert.equal(signal?.aborted, true);
  });

  it("that breaks off is an error, not an end", async () => {
    const broken = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode("a"));
      },
      pull(controller) {
        controller.error(new TypeError("terminated"));
      },
    });
    const { client } = clientOf([new Response(broken)]);
    const read = async () => {
      for await (const part of client.predictStream("d", {})) void part;
    };
    await assert.rejects(read(), /broke off before its end/);
  });
});
