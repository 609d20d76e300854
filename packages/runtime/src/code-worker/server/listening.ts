// Who listens on a port of this machine, read from Linux's /proc: another program's server must not be taken for the
// author's. Synchronous, as files of the kernel answer at once.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { processTree } from "../process-tree.ts";

export interface Listener {
  /** Of its socket. */
  readonly inode: string;
  /** Other machines reach it. */
  readonly isOpen: boolean;
}

const tables = ["/proc/net/tcp", "/proc/net/tcp6"];
const listening = "0A";

/** Null where the system does not tell. */
export function listenersOn(port: number): readonly Listener[] | null {
  const texts = tables.map(read).filter((text) => text !== null);
  return texts.length === 0 ? null : texts.flatMap((text) => parseListeners(text, port));
}

/** A table of the kernel's: `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode`. */
export function parseListeners(table: string, port: number): readonly Listener[] {
  return table.split("\n").flatMap((line) => {
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    const [address = "", hex = ""] = local.split(":");
    if (state !== listening || Number.parseInt(hex, 16) !== port || inode === undefined) return [];
    return [{ inode, isOpen: !isLoopback(address) }];
  });
}

/** As the kernel writes it: words of four bytes in the machine's own order. */
function isLoopback(address: string): boolean {
  return (
    /^[0-9A-F]{6}7F$/i.test(address) ||
    address === "00000000000000000000000001000000" ||
    /^0000000000000000FFFF0000[0-9A-F]{6}7F$/i.test(address)
  );
}

/** Whether the process or one of its descendants has one of the sockets. */
export function isListening(root: number, listeners: readonly Listener[]): boolean {
  const sockets = new Set(listeners.map(({ inode }) => `socket:[${inode}]`));
  return processTree(root).some((pid) => openFilesOf(pid).some((file) => sockets.has(file)));
}

function openFilesOf(pid: number): readonly string[] {
  try {
    const directory = `/proc/${pid}/fd`;
    return readdirSync(directory).map((name) => linkOf(`${directory}/${name}`));
  } catch {
    // It has ended.
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
