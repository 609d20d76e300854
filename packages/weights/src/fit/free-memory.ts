// How much memory this machine, or the container around it, has free. Reads through a function, so that tests give
// their own files.

import { join } from "node:path";

/**
 * Bytes that new processes can have: what Linux calls available, or what the tightest control group leaves. Pages of
 * files count as free, as the kernel drops them first: mapped weights of another model are read again when it is called.
 * Null where neither is told.
 * @param read gives a file's text or null
 */
export function readFreeMemory(read: (path: string) => string | null): number | null {
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec(read("/proc/meminfo") ?? "")?.[1];
  const rooms = groupRooms(read);
  if (available !== undefined) rooms.push(Number(available) * 1024);
  return rooms.length === 0 ? null : Math.max(0, Math.min(...rooms));
}

/** What this process's control group and those around it leave. In a container the mount's root is the group. */
function groupRooms(read: (path: string) => string | null): number[] {
  const rooms: number[] = [];
  for (const line of (read("/proc/self/cgroup") ?? "0::/").split("\n")) {
    const [, controllers = "", path = "/"] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const isUnified = controllers === "";
    if (!isUnified && !controllers.split(",").includes("memory")) continue;
    const root = isUnified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    const [limitFile, usedFile, prefix] = isUnified
      ? (["memory.max", "memory.current", ""] as const)
      : (["memory.limit_in_bytes", "memory.usage_in_bytes", "total_"] as const);
    for (const directory of withAncestors(root, path)) {
      const limit = countIn(read(join(directory, limitFile)));
      const used = countIn(read(join(directory, usedFile)));
      if (limit === null || used === null) continue;
      const statistics = read(join(directory, "memory.stat")) ?? "";
      const files = statistics.matchAll(new RegExp(`^${prefix}(?:in)?active_file (\\d+)$`, "gm"));
      rooms.push([...files].reduce((sum, [, bytes]) => sum + Number(bytes), limit - used));
    }
  }
  return rooms;
}

/** Version 1 writes the largest number there is for "no limit". */
function countIn(text: string | null): number | null {
  const number = Number(text?.trim());
  return text === null || !Number.isFinite(number) || number >= 2 ** 60 ? null : number;
}

/** `root`/a/b, `root`/a and `root`. */
function withAncestors(root: string, path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  return parts.map((_, index) => join(root, ...parts.slice(0, parts.length - index))).concat(root);
}
