// Who may call what: every route of the server × every kind of key that should not get through. A new route is walked
// by itself; it needs a row here only where it takes a parameter or a body that no route took before.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { scopes, type Scope } from "@corral/contract";
import { createKey, revokeKey } from "../store/keys.ts";
import { getOrCreateProject } from "../store/projects.ts";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";
import { scopesOf, type GuardedRoute } from "./guard.ts";

const publicPaths = ["/healthz", "/readyz", "/openapi.json"];

/** What belongs to somebody, by the parameters that name it. */
interface Owned {
  readonly model: string;
  readonly version: string;
  readonly deployment: string;
  readonly run: string;
  readonly key: string;
  readonly secret: string;
}

let platform: TestPlatform;
let owned: Owned;
/** An admin of another project, and one of other models of the same project. */
let strangers: Readonly<Record<"another project" | "another model", string>>;

before(async () => {
  platform = await startTestPlatform();
  const row = await platform.deploy("owned-model");
  const call = await platform.post("/owned-model/predict", {});
  await call.text();
  const secret = "owned_secret";
  await platform.post("/v1/secrets", { name: secret, value: "x" });
  owned = {
    model: row.model_id,
    version: row.version_id,
    deployment: row.id,
    run: call.headers.get("x-corral-run-id") ?? "",
    key: (await platform.key({ scopes: ["read"] })).split("_")[1] ?? "",
    secret,
  };
  await getOrCreateProject(platform.store.db, "other", "other");
  const input = {
    name: "n",
    scopes: ["admin" as const],
    models: null,
    token_cap: null,
    weight: 1,
    expires_at: null,
  };
  strangers = {
    "another project": (await createKey(platform.store.db, "other", input)).key,
    "another model": await platform.key({ scopes: ["admin"], models: ["another-model"] }),
  };
});

/** Values of a path's parameters; a parameter that is not here fails the test. */
function parametersOf(path: string): Readonly<Record<string, string>> {
  return {
    model: owned.model,
    version: owned.version,
    deployment: owned.deployment,
    run: owned.run,
    request: owned.run,
    key: owned.key,
    prefix: `corral_${owned.key}`,
    name: path.includes("/secrets/") ? owned.secret : "owned-model",
    project: "p",
    environment: "production",
    // There are none: nobody finds them.
    weights: "weights1",
    adapter: "adapter1",
    delivery: "delivery1",
    // The catalogue is everybody's.
    identifier: "llamav2-7b-chat",
    // Archives on their way in: their own keys open them.
    bucket: "uploads",
  };
}

/** Bodies of routes that name what they are about there, or that look at nothing before the body is sound. */
const bodies: Readonly<Record<string, () => unknown>> = {
  "POST /api/v1/deployments": () => ({ version_id: owned.version }),
  "POST /api/v1/deployments/:deployment/adapters": () => ({ source: "a/b", name: "x" }),
  "POST /api/v1/deployments/:deployment/patches": () => ({
    base: "0".repeat(64),
    changed: [{ path: "a", content: "" }],
  }),
  "PUT /api/v1/prices/:model": () => ({ currency: "EUR" }),
  "PUT /api/v1/secrets/:name": () => ({ value: "x" }),
  "POST /v1/chat/completions": () => ({ model: "owned-model", messages: [] }),
  "POST /v1/completions": () => ({ model: "owned-model", prompt: "" }),
  "POST /v1/embeddings": () => ({ model: "owned-model", input: "" }),
  "POST /v1/messages": () => ({ model: "owned-model" }),
  "POST /v1/responses": () => ({ model: "owned-model" }),
  ...Object.fromEntries(
    ["production", "development", "environments/:environment", "deployment/:deployment"].map((address) => [
      `POST /model/:model/${address}/async_predict`,
      () => ({ model_input: {} }),
    ]),
  ),
  "POST /v1/models/:model/environments/:environment/promote": () => ({ deployment_id: owned.deployment }),
  "POST /graphql": () => ({ query: "{models{id name}}" }),
  "POST /graphql/": () => ({ query: "{models{id name}}" }),
};

/** Routes that name what they are about in the body. */
const aboutBody =
  /^POST (\/v1\/(chat\/completions|completions|embeddings|messages|responses)|\/api\/v1\/deployments)$/;

/** Routes whose parameter is no thing of a project that others have: what they answer must show nothing of it. */
const ofNobody: Readonly<Record<string, string>> = {
  "GET /api/v1/catalogue/:identifier": "the catalogue is everybody's",
  "HEAD /api/v1/catalogue/:identifier": "the catalogue is everybody's",
  "PUT /api/v1/secrets/:name": "another project makes a secret of its own",
};

interface Asked {
  readonly status: number;
  readonly text: string;
  /** `www-authenticate` of a call without a body. */
  readonly challenge: string | null;
}

async function ask(
  { method, path }: GuardedRoute,
  authorization: string | null,
  withBody = false,
): Promise<Asked> {
  const values = { ...parametersOf(path), ...(method === "PUT" ? { name: "its_own" } : {}) };
  const url = path.replaceAll(/:([a-z]+)/g, (_, name: string) => {
    assert.ok(name in values, `${method} ${path}: the parameter ${name} has no value in this test`);
    return (values as Readonly<Record<string, string>>)[name] ?? "";
  });
  const headers = authorization === null ? {} : { authorization };
  const place = url.replaceAll("*", "v1/models/model");
  if (!withBody) {
    const asked = {
      method: method as "GET",
      url: place,
      headers: { ...headers, host: `127.0.0.1:${platform.port}` },
    };
    const { statusCode, body, headers: told } = await platform.server.app.inject(asked);
    return { status: statusCode, text: body, challenge: String(told["www-authenticate"]) };
  }
  const takesBody = ["POST", "PUT", "PATCH"].includes(method);
  const isJson = takesBody && !path.startsWith("/api/v1/versions");
  const response = await fetch(`${platform.url}${place}`, {
    method,
    headers: {
      ...headers,
      ...(isJson ? { "content-type": "application/json" } : {}),
    },
    ...(takesBody ? { body: JSON.stringify(bodies[`${method} ${path}`]?.() ?? {}) } : {}),
  });
  return { status: response.status, text: await response.text(), challenge: null };
}

const named = ({ method, path }: GuardedRoute, { status, text }: Asked) =>
  `${method} ${path} answered ${status}: ${text.slice(0, 200)}`;
const isGraphQl = ({ method, path }: GuardedRoute) => method === "POST" && path.startsWith("/graphql");
const isKept = ({ guard, summary }: GuardedRoute) =>
  guard !== "public" && guard !== "signature" && summary !== "";

/** Many at a time; gives what was wrong with each. */
async function problemsOf(
  routes: readonly GuardedRoute[],
  check: (route: GuardedRoute) => Promise<void>,
): Promise<string[]> {
  const problems: string[] = [];
  const waiting = [...routes];
  const work = async () => {
    for (let route = waiting.pop(); route !== undefined; route = waiting.pop())
      await check(route).catch((error: unknown) =>
        problems.push(error instanceof Error ? error.message : ""),
      );
  };
  await Promise.all(Array.from({ length: 16 }, work));
  return problems;
}

/** The refusal has the form of the route's family. */
function assertEnvelope(route: GuardedRoute, asked: Asked): void {
  if (route.method === "HEAD") return;
  const body = JSON.parse(asked.text) as Record<string, unknown>;
  const inForm = {
    corral: typeof body["code"] === "string",
    baseten: typeof body["error"] === "string",
    cerebrium: typeof body["message"] === "string",
    openai: typeof (body["error"] as { message?: unknown } | undefined)?.message === "string",
  }[route.dialect];
  assert.ok(inForm, `${route.dialect}: ${named(route, asked)}`);
}

test("no key, a wrong, an expired and a revoked one open no route but the public ones", async () => {
  const { db } = platform.store;
  const revoked = await platform.key({});
  await revokeKey(db, "default", revoked.split("_")[1] ?? "", new Date());
  const expired = await platform.key({ expires_at: new Date(Date.now() - 1).toISOString() });
  const { guards } = platform.server;
  const open = guards.filter(({ guard }) => guard === "public").map(({ path }) => path);
  assert.deepEqual(
    open.filter((path) => !publicPaths.includes(path)),
    [],
  );
  let count = 0;
  const problems = await problemsOf(guards, async (route) => {
    if (route.guard === "public") return;
    // A route that only says which methods it takes looks at keys as all others do.
    const keys = [null, "Api-Key corral_aaaaaaaa_wrongwrongwrong", expired, revoked];
    for (const key of route.summary === "" ? [null] : keys) {
      const asked = await ask(route, key);
      count += 1;
      if (route.guard === "signature") {
        // An API key is no key there.
        assert.ok([400, 403, 405].includes(asked.status), named(route, asked));
      } else if (isGraphQl(route)) {
        assert.match(asked.text, /"code":"UNAUTHENTICATED_ACCESS".*"data":null/);
      } else {
        assert.equal(asked.status, 401, named(route, asked));
        assert.equal(asked.challenge, "Api-Key");
        assertEnvelope(route, asked);
      }
    }
  });
  assert.deepEqual(problems, []);
  assert.ok(count > 400, `${count} calls`);
});

test("a key with every scope but the route's own is refused by every route", async () => {
  const keys = new Map<string, string>();
  const others = scopes.filter((scope) => scope !== "admin");
  const without = (left: readonly Scope[]) =>
    platform.key({ scopes: others.filter((scope) => !left.includes(scope)) });
  for (const guard of [...others, "admin", "push"] as const) keys.set(guard, await without(scopesOf(guard)));
  const routes = platform.server.guards.filter(isKept);
  const problems = await problemsOf(routes, async (route) => {
    const asked = await ask(route, keys.get(route.guard) ?? "");
    if (isGraphQl(route)) assert.match(asked.text, /"code":"FORBIDDEN".*"data":null/);
    else {
      assert.equal(asked.status, 403, named(route, asked));
      assertEnvelope(route, asked);
    }
  });
  assert.deepEqual(problems, []);
  assert.ok(routes.length > 100, `${routes.length} routes`);
});

for (const whose of ["another project", "another model"] as const)
  test(`an admin key of ${whose} reaches nothing by any route, and sees nothing in any list`, async () => {
    const marks = Object.values(owned);
    let [refused, silent] = [0, 0];
    const problems = await problemsOf(platform.server.guards.filter(isKept), async (route) => {
      const asked = await ask(route, strangers[whose], true);
      const name = `${route.method} ${route.path}`;
      const isAbout =
        (/:(?!project|bucket)[a-z]+/.test(route.path) || aboutBody.test(name)) && !(name in ofNobody);
      if (isAbout) {
        // Without an upgrade a socket's route says so to whoever has a key.
        const known = route.path.endsWith("/websocket") ? [403, 404, 426] : [403, 404];
        assert.ok(known.includes(asked.status), `${whose}: ${named(route, asked)}`);
        assertEnvelope(route, asked);
        refused += 1;
      } else {
        assert.ok(asked.status < 500, named(route, asked));
        // An error may repeat what the caller said.
        if (asked.status < 300 && !(name in ofNobody))
          for (const mark of marks) assert.ok(!asked.text.includes(mark), `${mark}: ${named(route, asked)}`);
        silent += 1;
      }
    });
    assert.deepEqual(problems, []);
    assert.ok(refused > 60 && silent > 20, `${refused} and ${silent} routes`);
  });

test("what they did left everything as it was", async () => {
  for (const path of [
    `/api/v1/models/${owned.model}`,
    `/api/v1/versions/${owned.version}`,
    `/api/v1/deployments/${owned.deployment}`,
    `/api/v1/runs/${owned.run}`,
  ])
    assert.equal((await platform.request(path)).status, 200, path);
  const { items } = (await (await platform.request("/api/v1/secrets")).json()) as {
    items: { name: string }[];
  };
  assert.deepEqual(
    items.map(({ name }) => name),
    [owned.secret],
  );
});

test("the server ends", async () => {
  await platform[Symbol.asyncDispose]();
});
