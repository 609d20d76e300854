import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { bundleConfig, createManifest, inspectBundle, manifestDigest, packBundle } from "@corral/bundle";
import { collectGarbageSchema, garbageKinds, type GarbageReport } from "@corral/contract";
import { pino } from "pino";
import { createBundleStore } from "../blob/bundle-store.ts";
import { createUploadStore } from "../blob/upload-store.ts";
import { createDeployment } from "../store/change-deployments.ts";
import { deleteDeployment } from "../store/model-name.ts";
import { deleteModel, getOrCreateModel } from "../store/models.ts";
import { openTestStore } from "../store/testing.ts";
import { createUpload } from "../store/uploads.ts";
import { insertVersion, isBundleReferenced, type NewVersion } from "../store/versions.ts";
import { openCollector } from "./open-collector.ts";
import { deploymentSource, versionSource } from "./row-sources.ts";

const projectId = "default";
const dayMs = 86_400_000;
const sha = (letter: string) => letter.repeat(64);

const store = await openTestStore();
const { db, pool } = store;

/** A home and an empty database, and a clock that is set: files are as old as it says they are. */
async function begin(t: TestContext) {
  const home = await mkdtemp(join(tmpdir(), "corral-gc-"));
  t.after(() => rm(home, { recursive: true, force: true }));
  await pool.query("truncate models, weights, uploads cascade");
  let nowMs = Date.now() + 30 * dayMs;
  const now = () => new Date(nowMs);
  const bundles = createBundleStore({
    directory: home,
    limits: { fileCount: 10, fileBytes: 1 << 20, totalBytes: 1 << 20 },
    isReferenced: (digest) => isBundleReferenced(db, digest),
  });
  const options = {
    store,
    places: { home, hubDirectory: join(home, "hub") },
    bundles,
    uploads: createUploadStore(join(home, "uploads"), 1 << 20),
    preparations: {
      collect: async (key: string) => {
        await rm(join(home, "weights", key), { recursive: true });
        return true;
      },
    },
    keepDays: 7,
    filesAreOurs: true,
    now,
    log: pino({ level: "silent" }),
  };
  const collector = openCollector(options);
  const collect = (wanted: object = {}) => collector.collect(collectGarbageSchema.parse(wanted));
  const namesOf = ({ items }: GarbageReport) =>
    items.map(({ kind, id }) => `${kind}:${id}`).toSorted((a, b) => (a < b ? -1 : 1));
  /** A file of a month ago, by the set clock. */
  const file = (path: string, text = "bytes") => {
    mkdirSync(dirname(join(home, path)), { recursive: true });
    writeFileSync(join(home, path), text);
  };
  const isThere = (path: string) => existsSync(join(home, path));
  const touch = (path: string) => utimesSync(join(home, path), now(), now());
  /** A version with weights of that hash; `more` as `insertVersion` has it. */
  async function version(name: string, weightsSha256: string, more: Partial<NewVersion> = {}) {
    const model = await getOrCreateModel(db, projectId, name);
    const manifest = createManifest({
      files: [],
      config: bundleConfig({ modelName: name, weights: "/w.gguf", defaults: {} }),
      generationConfig: {},
      weightsSha256,
    });
    const weightsPath = "/elsewhere/w.gguf";
    const content = { digest: manifestDigest(manifest), manifest, weightsPath, weightsSha256 };
    const { row } = await insertVersion(db, { projectId, modelId: model.id, ...content, ...more });
    return row;
  }
  async function deployment(name: string, { id, model_id }: { id: string; model_id: string }) {
    const own = { projectId, modelId: model_id, versionId: id, name, identifiers: [], settings: {} };
    return await createDeployment(db, own);
  }
  const ended = (id: string) => deleteDeployment(db, projectId, id, new Date(nowMs - 20 * dayMs));
  const run = (deploymentId: string, finishedAt: Date, output: string) =>
    pool.query(
      `insert into runs (id, project_id, deployment_id, dialect, status, output, finished_at)
        values ($1, 'default', $2, 'corral', 'succeeded', $3, $4)`,
      [randomUUID(), deploymentId, output, finishedAt],
    );
  const advance = (ms: number) => (nowMs += ms);
  return {
    home,
    bundles,
    options,
    collect,
    namesOf,
    file,
    isThere,
    touch,
    version,
    deployment,
    ended,
    run,
    now,
    advance,
  };
}

test("a dry run and a collection name the same, and what is referred to stays", async (t) => {
  const { collect, namesOf, file, isThere, version, deployment, ended, run, now } = await begin(t);
  const live = await version("live", sha("a"));
  const inUse = await deployment("live", live);
  const old = await deployment("old", live);
  await ended(old.id);
  const withRun = await deployment("with-run", live);
  await ended(withRun.id);
  await run(withRun.id, now(), '"kept"');
  await run(inUse.id, new Date(now().getTime() - 8 * dayMs), '"over its time"');
  const draft = await version("draft", sha("b"), { patched: true });
  for (const id of [inUse.id, old.id, withRun.id]) file(`logs/${id}/000000000000001.ndjson`);
  file(`prefixes/${sha("a").slice(0, 32)}-default/x.prefix`);
  file(`prefixes/${sha("c").slice(0, 32)}-default/x.prefix`);
  file("python/environments/used/pyvenv.cfg");
  file("python/environments/unused/pyvenv.cfg");
  file(`python/used/${inUse.id}`, "environments/used\n");
  file(`python/used/${old.id}`, "environments/unused\n");
  file(`node-packages/used/${old.id}`, "installed/gone\n");
  file("weights/".concat("0".repeat(32), "/model.gguf"));
  file(`adapters/${sha("d")}.gguf`);
  file(`adapters/${sha("f")}.gguf.removing`);
  file("adapters/of-a-person.gguf");
  file("bundles/" + sha("e") + "/config.yaml", "0123456789");
  const upload = await createUpload(db, {
    projectId,
    keyId: null,
    expiresAt: new Date(now().getTime() + dayMs),
  });
  file(`uploads/${upload.id}/part`);
  file("uploads/forgotten/part");

  const dry = await collect({ dry_run: true });
  assert.ok(isThere("uploads/forgotten"), "a dry run removes nothing");
  const real = await collect();
  assert.deepEqual(real.items, dry.items);
  assert.deepEqual(real.kinds, dry.kinds);
  assert.equal(real.kept, 0);
  const sorted = (names: string[]) => names.toSorted((a, b) => (a < b ? -1 : 1));
  assert.deepEqual(
    namesOf(real),
    sorted([
      `deployments:${old.id}`,
      `logs:${old.id}`,
      `versions:${draft.id}`,
      `bundles:${sha("e")}`,
      `prefixes:${sha("c").slice(0, 32)}-default`,
      "environments:python/environments/unused",
      `weights:${"0".repeat(32)}`,
      `adapters:${sha("d")}.gguf`,
      `adapters:${sha("f")}.gguf.removing`,
      "uploads:forgotten",
    ]),
  );
  const sums = new Map(real.kinds.map(({ kind, ...sum }) => [kind, sum]));
  assert.deepEqual(sums.get("runs"), { count: 1, bytes: '"over its time"'.length });
  assert.deepEqual(sums.get("bundles"), { count: 1, bytes: 10 });
  for (const path of [
    `logs/${withRun.id}`,
    `logs/${inUse.id}`,
    `prefixes/${sha("a").slice(0, 32)}-default`,
    "python/environments/used",
    `uploads/${upload.id}`,
    "adapters/of-a-person.gguf",
  ])
    assert.ok(isThere(path), path);
  assert.ok(isThere(`python/used/${inUse.id}`));
  for (const folder of ["python", "node-packages"])
    assert.ok(!isThere(`${folder}/used/${old.id}`), "its note went with the deployment");
  const { rows } = await pool.query<{ id: string }>("select id from deployments order by created_at");
  assert.deepEqual(
    rows.map(({ id }) => id),
    [inUse.id, withRun.id],
  );
  assert.deepEqual((await collect()).items, [], "nothing is left to collect");
});

test("what was used within the time stays, with what it refers to; a kind that is not asked for stays", async (t) => {
  const { collect, namesOf, file, isThere, touch, version, deployment, ended } = await begin(t);
  const row = await deployment("gone", await version("gone", sha("a")));
  await ended(row.id);
  file(`logs/${row.id}/000000000000001.ndjson`);
  file("node-packages/installed/young/package.json");
  file("node-packages/installed/old/package.json");
  touch("node-packages/installed/young");
  assert.deepEqual(namesOf(await collect({ kinds: ["logs"] })), [], "its deployment's row refers to it");
  assert.deepEqual(
    namesOf(await collect({ older_than_seconds: 25 * 86_400, kinds: ["logs", "deployments"] })),
    [],
  );
  assert.deepEqual(namesOf(await collect({ kinds: ["environments"] })), [
    "environments:node-packages/installed/old",
  ]);
  assert.ok(isThere("node-packages/installed/young"));
  assert.ok(isThere(`logs/${row.id}`));
});

test("files of a home that was used with another database stay", async (t) => {
  const { options, file, isThere } = await begin(t);
  file("logs/unknown/000000000000001.ndjson");
  const report = await openCollector({ ...options, filesAreOurs: false }).collect(
    collectGarbageSchema.parse({}),
  );
  assert.deepEqual(report.items, []);
  assert.equal(report.warnings.length, 1);
  assert.deepEqual(
    report.kinds.map(({ kind }) => kind),
    garbageKinds.slice(0, 3),
  );
  assert.ok(isThere("logs/unknown"));
});

test("of the hub's cache go, where that is asked for, revisions of known repositories that nothing has any more", async (t) => {
  const { collect, namesOf, file, home } = await begin(t);
  const hub = { kinds: ["hub"] };
  const [kept, gone] = ["a".repeat(40), "b".repeat(40)];
  for (const folder of ["models--owner--ours", "models--owner--theirs"]) {
    const own = `hub/${folder}`;
    file(`${own}/blobs/shared`);
    file(`${own}/blobs/single`);
    for (const commit of [kept, gone]) {
      mkdirSync(join(home, own, "snapshots", commit), { recursive: true });
      symlinkSync("../../blobs/shared", join(home, own, "snapshots", commit, "config.json"));
    }
    symlinkSync("../../blobs/single", join(home, own, "snapshots", gone, "model.gguf"));
    mkdirSync(join(home, "hub/.locks", folder), { recursive: true });
  }
  const insert = (id: string, revision: string | null, status: string, deletedAt: Date | null) =>
    pool.query(
      `insert into weights (id, project_id, platform_id, source, name, origin, content_key, preparation, state, status,
          repository, revision, deleted_at)
        values ($1, 'default', 'p', 's', 'n', 'o', $1, '{}', '{}', $2, 'owner/ours', $3, $4)`,
      [id, status, revision, deletedAt],
    );
  await insert("1".repeat(32), kept, "ready", null);
  await insert("2".repeat(32), gone, "ready", new Date());
  await insert("3".repeat(32), null, "fetching", null);
  assert.deepEqual(namesOf(await collect(hub)), [], "somebody fetches from the repository");
  await pool.query("update weights set deleted_at = now() where status = 'fetching'");
  assert.deepEqual(namesOf(await collect()), [], "nobody asked for it");
  const dry = await collect({ ...hub, dry_run: true });
  const real = await collect(hub);
  assert.deepEqual(namesOf(real), [`hub:models--owner--ours/single`, `hub:models--owner--ours@${gone}`]);
  assert.deepEqual(dry.items, real.items);
  assert.deepEqual(readdirSync(join(home, "hub/models--owner--ours/snapshots")), [kept]);
  assert.deepEqual(readdirSync(join(home, "hub/models--owner--ours/blobs")), ["shared"]);
  assert.equal(readdirSync(join(home, "hub/models--owner--theirs/blobs")).length, 2);
});

test("pushes of a bundle beside collections keep it, however old it is", async (t) => {
  const { bundles, collect, home, advance } = await begin(t);
  const source = join(home, "source");
  mkdirSync(source);
  writeFileSync(
    join(source, "config.yaml"),
    "model_name: pushed\nmodel_metadata: {corral: {weights: corral-tiny-2}}\n",
  );
  const { files } = await inspectBundle(source);
  const model = await getOrCreateModel(db, projectId, "pushed");
  const digests = new Set<string>();
  for (let round = 0; round < 4; round += 1) {
    // Whoever has it left it long ago: the next push finds it there, unreferenced and old.
    await db.deleteFrom("versions").execute();
    advance(30 * dayMs);
    const received = await bundles.receive(packBundle(source, files));
    const digest = manifestDigest(received.bundle.manifest);
    digests.add(digest);
    // In every other round collections come between the steps of the push, in the others at any moment.
    const between = round % 2 === 0 ? collect : () => Promise.resolve();
    const push = async () => {
      await between();
      const directory = await received.keep(digest);
      await between();
      assert.ok(existsSync(directory), "the push counts on it");
      const own = { digest, manifest: received.bundle.manifest, bundle: digest };
      await insertVersion(db, {
        projectId,
        modelId: model.id,
        weightsPath: "/w",
        weightsSha256: sha("a"),
        ...own,
      });
      await received.discard();
      return directory;
    };
    const collections = async () => {
      for (let pass = 0; pass < 3 && round % 2 === 1; pass += 1) await collect();
    };
    const [directory] = await Promise.all([push(), collections()]);
    assert.ok(existsSync(join(directory, "config.yaml")), `round ${round}`);
    await collect();
    assert.ok(existsSync(join(directory, "config.yaml")), "its version has it");
  }
  assert.equal(digests.size, 1);
  await db.deleteFrom("versions").execute();
  const report = await collect();
  assert.deepEqual(
    report.items.map(({ kind }) => kind),
    ["bundles"],
  );
});

test("a run, a deployment or a push that comes between a plan and its removal keeps what it refers to", async (t) => {
  const { options, version, deployment, ended, run, now } = await begin(t);
  const first = await deployment("first", await version("first", sha("a")));
  await ended(first.id);
  const draft = await version("draft", sha("b"), { patched: true });
  const again = await version("again", sha("c"), { patched: true });
  const doomed = await version("doomed", sha("d"));
  const since = now().getTime() - dayMs;
  const thing = (kind: "deployments" | "versions", id: string) => ({
    kind,
    id,
    bytes: 0,
    lastUsedMs: 0,
    refersTo: [],
  });
  await run(first.id, now(), '"late"');
  await deployment("late", draft);
  await version("again", sha("c"));
  assert.equal(
    await deploymentSource(db, options.places).remove(thing("deployments", first.id), since),
    false,
  );
  assert.equal(await versionSource(db).remove(thing("versions", draft.id), since), false);
  assert.equal(await versionSource(db).remove(thing("versions", again.id), since), false);
  assert.equal(
    await versionSource(db).remove(thing("versions", doomed.id), since),
    false,
    "its model is there",
  );
  await deleteModel(db, projectId, doomed.model_id, new Date(since - dayMs));
  assert.equal(await versionSource(db).remove(thing("versions", doomed.id), since), true);
});

test("one collection at a time", async (t) => {
  const { collect } = await begin(t);
  const [one, other] = await Promise.allSettled([collect(), collect()]);
  assert.equal(one.status, "fulfilled");
  assert.equal(other.status === "rejected" && (other.reason as { code: string }).code, "conflict");
});
