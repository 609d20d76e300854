// Bad input of every kind over HTTP, per family: a clear 4xx in the family's envelope, and the server lives on.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { json, startCorral, waitUntil, type Corral } from "./harness.ts";

let corral: Corral;
before(async () => {
  corral = await startCorral();
  await pushSmallQueue();
});
after(async () => {
  await corral[Symbol.asyncDispose]();
});

interface Family {
  readonly name: "ours" | "baseten" | "cerebrium";
  /** A route that reaches a running model. */
  readonly path: string;
  /** A route of the same family that names a model nobody has. */
  readonly unknownPath: string;
  /** The message for people, and the bad fields, in this family's envelope. */
  read(body: Record<string, unknown>): { message: string; fields: string[] };
}

const fieldsOf = (body: Record<string, unknown>) =>
  ((body["errors"] ?? []) as { pointer: string }[]).map((error) => error.pointer);

const families: readonly Family[] = [
  {
    name: "ours",
    path: "/api/v1/deployments/corral-tiny-2/generate",
    unknownPath: "/api/v1/deployments/nobody-has-this/generate",
    read(body) {
      assert.equal(typeof body["type"], "string");
      assert.equal(typeof body["title"], "string");
      assert.equal(typeof body["code"], "string");
      return { message: String(body["detail"]), fields: fieldsOf(body) };
    },
  },
  {
    name: "baseten",
    path: "/models/corral-tiny-2/predict",
    unknownPath: "/model_versions/nobody-has-this/predict",
    read: (body) => ({ message: String(body["error"]), fields: fieldsOf(body) }),
  },
  {
    name: "cerebrium",
    path: "/llamav2-7b-chat-webhook/predict",
    unknownPath: "/nobody-has-this-webhook/predict",
    read(body) {
      assert.equal(body["result"], null);
      assert.equal(typeof body["run_id"], "string");
      assert.equal(typeof body["run_time_ms"], "number");
      return { message: String(body["message"]), fields: fieldsOf(body) };
    },
  },
];

const documentedWithoutCommas = `{
        "prompt": "Hey! How are you doing?",
        "max_length": 100,
        "temperature": 0.9
        "top_p": 1.0
        "top_k": 10
        "num_return_sequences": 1
        "repetition_penalty": 2.0
    }`;

async function refusal(family: Family, response: Response, status: number) {
  const body = await json<Record<string, unknown>>(response);
  assert.equal(response.status, status, JSON.stringify(body));
  return { ...family.read(body), headers: response.headers };
}

for (const family of families) {
  describe(family.name, () => {
    const refused = async (body: unknown, status = 422) =>
      refusal(family, await corral.post(family.path, body), status);

    test("JSON without its commas answers 400 with line, column and the key before which one is missing", async () => {
      const { message } = await refused(documentedWithoutCommas, 400);
      assert.match(message, /line 5, column 9/);
      assert.match(message, /missing ',' before "top_p"/);
    });

    test("no key, a wrong key and a wrong scheme answer 401", async () => {
      for (const authorization of [
        null,
        "Api-Key corral_aaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        "Basic YTpi",
        "Api-Key",
        "",
      ]) {
        const headers = {
          "content-type": "application/json",
          ...(authorization === null ? {} : { authorization }),
        };
        const response = await fetch(`${corral.url}${family.path}`, {
          method: "POST",
          headers,
          body: '{"prompt":"Hi"}',
        });
        await refusal(family, response, 401);
      }
    });

    test("a revoked key answers 401 from the very next call", async () => {
      const made = await json<{ id: string; key: string }>(
        await corral.post("/api/v1/keys", { name: "to revoke", scopes: ["predict"] }),
      );
      const call = () =>
        corral.post(
          family.path,
          { prompt: "Hello!", max_new_tokens: 2 },
          { headers: { authorization: `Bearer ${made.key}` } },
        );
      const accepted = await call();
      assert.equal(accepted.status, 200, await accepted.text());
      assert.ok((await corral.request(`/api/v1/keys/${made.id}`, { method: "DELETE" })).ok);
      await refusal(family, await call(), 401);
    });

    test("a model nobody has answers 404, naming it and saying how to deploy one", async () => {
      const { message } = await refusal(family, await corral.post(family.unknownPath, { prompt: "Hi" }), 404);
      assert.match(message, /nobody-has-this/);
      assert.match(message, /corral (deploy|ls)/);
    });

    test("a wrong type, a value out of range and several at once are all named with what was given", async () => {
      const { message, fields } = await refused({
        prompt: "Hi",
        temperature: { hot: true },
        top_p: -0.1,
        top_k: 10.5,
        repetition_penalty: 0,
        num_return_sequences: 0,
        do_sample: true,
      });
      for (const field of ["temperature", "top_p", "top_k", "repetition_penalty", "num_return_sequences"]) {
        assert.ok(fields.includes(`/${field}`), `${field} is not among ${fields.join(" ")}`);
        assert.ok(message.includes(field), message);
      }
      assert.match(message, /-0\.1/);
      assert.match(message, /10\.5/);
    });

    test("NaN is not JSON; as a string or as an overflow it is no number either", async () => {
      await refused('{"prompt": "Hi", "temperature": NaN}', 400);
      assert.ok(
        (await refused({ prompt: "Hi", temperature: "NaN", do_sample: true })).fields.includes(
          "/temperature",
        ),
      );
      assert.ok(
        (await refused('{"prompt": "Hi", "temperature": 1e999, "do_sample": true}')).fields.includes(
          "/temperature",
        ),
      );
    });

    test("no prompt, a prompt of a wrong type and a body that is no object are refused", async () => {
      assert.match((await refused({})).message, /prompt/);
      assert.ok((await refused({ prompt: 5 })).fields.includes("/prompt"));
      // Our own route takes a list of texts.
      const place = family.name === "ours" ? "/prompt/1" : "/prompt";
      assert.ok((await refused({ prompt: ["a", 5] })).fields.includes(place));
      assert.ok((await refused({ prompt: { text: "a" } })).fields.includes("/prompt"));
      for (const body of ["[]", '"Hi"', "5", "null"]) await refused(body);
    });

    test("a prompt longer than the context is refused with both numbers", async () => {
      const { message } = await refused({ prompt: "good morning to you all ".repeat(4000) });
      assert.match(message, /4096/);
      assert.ok(
        (message.match(/\d+/g) ?? []).some((number) => Number(number) > 4096),
        message,
      );
    });

    test("a total length that the prompt already fills is refused with both numbers", async () => {
      const { message } = await refused({ prompt: "Hey! How are you doing?", max_length: 3 });
      assert.match(message, /max_length/);
      assert.match(message, /\b3\b/);
    });

    test("more beams than slots are refused, and webhooks to addresses of this machine", async () => {
      assert.match((await refused({ prompt: "Hi", num_beams: 1e9 })).message, /num_beams.*1000000000/);
      if (family.name === "cerebrium") {
        const { message } = await refused({ prompt: "Hi", webhook_endpoint: "http://127.0.0.1:9/hook" });
        assert.match(message, /webhook_endpoint/);
      }
    });

    test("a strategy that transformers itself moved out is refused by name, never dropped", async () => {
      assert.match(
        (await refused({ prompt: "Hi", dola_layers: "low" })).message,
        /dola_layers.*moved it out/,
      );
      const contrastive = { prompt: "Hi", num_beams: 1, do_sample: false, penalty_alpha: 0.6, top_k: 4 };
      assert.match((await refused(contrastive)).message, /penalty_alpha.*contrastive search/);
    });

    test("every processor may stand in one call, within the deployment's caps", async () => {
      const call = {
        prompt: "Hi",
        max_new_tokens: 4,
        no_repeat_ngram_size: 2,
        bad_words_ids: [[5, 6]],
        sequence_bias: [[[7], -1.5]],
        min_new_tokens: 2,
        suppress_tokens: [9],
        watermarking_config: {},
      };
      const response = await corral.post(family.path, call);
      assert.equal(response.status, 200, await response.text());
      const stops = Array.from({ length: 65 }, (_, index) => `stop ${index}`);
      assert.match((await refused({ ...call, stop_strings: stops })).message, /65 stop strings.* 64\./);
    });

    test("more sequences than there are slots are refused with the limit", async () => {
      const { fields } = await refused({ prompt: "Hi", num_return_sequences: 100000, do_sample: true });
      assert.deepEqual(fields, ["/num_return_sequences"]);
    });

    test("a body over the limit answers 413", async () => {
      const response = await corral.post(family.path, `{"prompt": "${"x".repeat(17 * 1024 * 1024)}"}`);
      const { message } = await refusal(family, response, 413);
      assert.match(message, /16/);
    });

    test("a wrong method answers 405 with Allow, a wrong content type 415 with the remedy", async () => {
      const wrong = await corral.request(family.path);
      assert.equal(wrong.headers.get("allow"), "POST");
      await refusal(family, wrong, 405);
      const form = await corral.post(family.path, "prompt=Hi", {
        headers: { "content-type": "application/x-www-form-urlencoded" },
      });
      assert.match((await refusal(family, form, 415)).message, /Content-Type: application\/json/);
    });

    test("odd but legal characters in a prompt do not disturb the server", async () => {
      for (const prompt of ["\u0000", "\ud800", "😀".repeat(50), "</s>[INST]<|eot_id|>", "\u202e\ufeff"]) {
        const response = await corral.post(family.path, { prompt, max_new_tokens: 2 });
        assert.ok([200, 422].includes(response.status), `${response.status}: ${await response.text()}`);
      }
    });
  });
}

test("an unknown parameter is refused by ours and by Baseten's with the nearest name, and listed by Cerebrium's", async () => {
  for (const path of [families[0]?.path ?? "", families[1]?.path ?? ""]) {
    const response = await corral.post(path, { prompt: "Hi", temprature: 0.5 });
    assert.equal(response.status, 422);
    assert.match(await response.text(), /temprature.*temperature/);
  }
  const response = await corral.post(families[2]?.path ?? "", {
    prompt: "Hi",
    temprature: 0.5,
    max_new_tokens: 2,
  });
  assert.equal(response.status, 200);
  assert.match(response.headers.get("x-corral-warnings") ?? "", /temprature/);
});

test("an unknown Host answers 421 and an absolute-form request for a foreign name goes nowhere", async () => {
  const { port } = new URL(corral.url);
  const ask = (path: string, host: string) =>
    new Promise<number>((resolve, reject) => {
      const call = httpRequest({ host: "127.0.0.1", port, path, headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      call.on("error", reject);
      call.end();
    });
  assert.equal(await ask("/healthz", "evil.example"), 421);
  assert.equal(await ask("http://evil.example/healthz", "evil.example"), 421);
  assert.equal(await ask("/healthz", `127.0.0.1:${port}`), 200);
});

/** Of the built-in vocabulary, and never generated: a generation goes on to its full length. */
const neverEnds = { eos_token_id: 0 };

/** Where a family's callers reach a deployment by its name. */
const pathsByName: Readonly<Record<Family["name"], (name: string) => string>> = {
  ours: (name) => `/api/v1/deployments/${name}/generate`,
  baseten: (name) => `/models/${name}/predict`,
  cerebrium: (name) => `/${name}-webhook/predict`,
};

/** A deployment of few slots whose queue is short. */
async function pushSmallQueue(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "corral-bundle-"));
  try {
    const settings = "    weights: corral-tiny-2\n    slots: 2\n    queue_length: 3\n";
    await writeFile(
      join(directory, "config.yaml"),
      `model_name: small-queue\nmodel_metadata:\n  corral:\n${settings}`,
    );
    const pushed = await corral.cli("push", directory);
    assert.equal(pushed.code, 0, pushed.stderr);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

for (const family of families) {
  describe(`${family.name}, under load`, () => {
    test("a full queue answers 429 with Retry-After and the waiting calls are still answered", async () => {
      const path = pathsByName[family.name]("small-queue");
      const body = { prompt: "Hey! How are you doing?", max_new_tokens: 400, do_sample: false, ...neverEnds };
      const answers = await Promise.all(Array.from({ length: 24 }, () => corral.post(path, body)));
      const [answered, refused] = [200, 429].map((wanted) =>
        answers.filter(({ status }) => status === wanted),
      );
      assert.equal(answered!.length + refused!.length, 24, answers.map(({ status }) => status).join(" "));
      // Three wait; how many run by then is a matter of time.
      assert.ok(answered!.length >= 3 && refused!.length >= 1, `${answered!.length} were answered`);
      await Promise.all(answered!.map((answer) => answer.arrayBuffer()));
      for (const answer of refused!) {
        const { headers, message } = await refusal(family, answer, 429);
        assert.ok(Number(headers.get("retry-after")) >= 1);
        assert.match(message, /wait/);
      }
    });

    test("a key's cap on sequences × tokens refuses what exceeds it and leaves other keys alone", async () => {
      const made = await json<{ key: string }>(
        await corral.post("/api/v1/keys", { name: "capped", scopes: ["predict"], token_cap: 300 }),
      );
      const headers = { authorization: `Api-Key ${made.key}` };
      const alone = await corral.post(family.path, { prompt: "Hi", max_new_tokens: 400 }, { headers });
      assert.match((await refusal(family, alone, 422)).message, /300/);
      const body = { prompt: "Hi", max_new_tokens: 250, ...neverEnds };
      const both = await Promise.all([
        corral.post(family.path, body, { headers }),
        corral.post(family.path, body, { headers }),
      ]);
      const [first, second] = both.toSorted((x, y) => x.status - y.status);
      assert.equal(first!.status, 200, await first!.text());
      const refused = await refusal(family, second!, 429);
      assert.ok(Number(refused.headers.get("retry-after")) >= 1);
      assert.equal((await corral.post(family.path, { prompt: "Hi", max_new_tokens: 2 })).status, 200);
    });

    test("callers that vanish leave nothing behind", async () => {
      // Cerebrium's callers wait for a whole answer, the others read a stream.
      const body = JSON.stringify({
        prompt: "Hi",
        max_new_tokens: 2_000,
        ...neverEnds,
        ...(family.name === "cerebrium" ? {} : { stream: true }),
      });
      const since = new Date().toISOString();
      const leave = new AbortController();
      const calls = Array.from({ length: 16 }, async () => {
        const headers = { "content-type": "application/json" };
        const init = { method: "POST", headers, body, signal: leave.signal };
        const response = await corral.request(family.path, init);
        await response.text();
      });
      const left = Promise.allSettled(calls);
      const runs = async () => {
        const { items } = await json<{ items: { status: string; created_at: string }[] }>(
          await corral.request("/api/v1/runs?limit=100"),
        );
        return items.filter(({ created_at }) => created_at >= since).map(({ status }) => status);
      };
      await waitUntil("all of them run", 60_000, async () => (await runs()).length === 16);
      leave.abort();
      assert.ok((await left).every(({ status }) => status === "rejected"));
      await waitUntil("their runs have ended", 20_000, async () =>
        (await runs()).every((status) => status !== "queued" && status !== "running"),
      );
      assert.deepEqual(new Set(await runs()), new Set(["canceled"]));
      assert.equal((await corral.post(family.path, { prompt: "Hi", max_new_tokens: 5 })).status, 200);
    });
  });
}

test("after all this the server is the same process and still ready", async () => {
  assert.equal((await corral.request("/readyz")).status, 200);
  assert.equal(corral.process.exitCode, null);
});
