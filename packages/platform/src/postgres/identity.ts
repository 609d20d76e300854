// As whom PostgreSQL runs: it refuses the user 0, and a user without a name. Knows nothing of databases.

import { readFile } from "node:fs/promises";
import { ServingError } from "@corral/contract";
import { run, type CommandOptions } from "./command.ts";

export interface Identity {
  /** The command line with what has to stand before it. */
  wrap(command: readonly string[]): string[];
  /** For `spawn`. */
  readonly user: { readonly uid?: number; readonly gid?: number };
  /** Whom the data directory must belong to. */
  readonly owner: { readonly uid: number; readonly gid: number };
}

/** How a process that may not be itself becomes another one. */
export const identityKinds = ["direct", "user_namespace", "other_user"] as const;
export type IdentityKind = (typeof identityKinds)[number];

/**
 * Not root: as we are. Root: in a user namespace that shows us as an ordinary user, so that files stay ours;
 * where namespaces are forbidden (typical inside Docker) as `postgres` or `nobody`.
 * `only` leaves a single way (tests). Fails with `database_unavailable` where no way is left.
 */
export async function chooseIdentity(only?: IdentityKind): Promise<Identity> {
  const uid = process.getuid?.() ?? -1;
  const gid = process.getgid?.() ?? -1;
  const users = await readUsers();
  const allowed = (kind: IdentityKind) => only === undefined || only === kind;
  const owner = { uid, gid };
  const named = process.platform !== "linux" || users.some((user) => user.uid === uid);
  if (uid !== 0 && named && allowed("direct")) return { wrap: (command) => [...command], user: {}, owner };

  const shown = users.find((user) => user.uid === 1000) ?? ordinary(users);
  if (shown !== undefined && allowed("user_namespace")) {
    const prefix = ["unshare", "--user", `--map-user=${shown.uid}`, `--map-group=${shown.gid}`, "--"];
    const tried = await run("unshare", [...prefix.slice(1), "true"]);
    if (tried.code === 0) return { wrap: (command) => [...prefix, ...command], user: {}, owner };
  }
  const other = ordinary(users);
  if (uid === 0 && other !== undefined && allowed("other_user")) {
    const user = { uid: other.uid, gid: other.gid };
    return { wrap: (command) => [...command], user, owner: user };
  }
  throw new ServingError(
    "database_unavailable",
    `PostgreSQL cannot run as the user ${uid}: it needs one that is not 0 and has an entry in /etc/passwd, and user namespaces are not allowed here. Start Corral as an ordinary user, or set DATABASE_URL.`,
  );
}

/** Whether the identity's user can read and enter the directory, or read and start the program. */
export async function canReach(identity: Identity, path: string): Promise<boolean> {
  const options: CommandOptions = { ...identity.user, cwd: "/" };
  const [program = "", ...args] = identity.wrap(["test", "-r", path, "-a", "-x", path]);
  return (await run(program, args, options)).code === 0;
}

interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

function ordinary(users: readonly User[]): User | undefined {
  const byName = (name: string) => users.find((user) => user.name === name && user.uid !== 0);
  return byName("postgres") ?? byName("nobody");
}

async function readUsers(): Promise<User[]> {
  const text = await readFile("/etc/passwd", "utf8").catch(() => "");
  return text.split("\n").flatMap((line) => {
    const [name = "", , uid = "", gid = ""] = line.split(":");
    return name === "" || uid === "" ? [] : [{ name, uid: Number(uid), gid: Number(gid) }];
  });
}
