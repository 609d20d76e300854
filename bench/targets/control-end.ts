// The platform's end of a replica's control channel, as far as a measurement needs one: dialled, and every report
// acknowledged as it comes.

import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { controlPath, controlProtocol } from "@corral/contract";

export interface ReplicaPlace {
  /** A port of loopback, or a socket. */
  readonly port?: number;
  readonly socketPath?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Dials until the replica listens, which is before it is ready. */
export async function acknowledgeReports(replica: ReplicaPlace): Promise<void> {
  while (!(await tryDial(replica))) await sleep(20);
}

function tryDial({ headers = {}, ...place }: ReplicaPlace): Promise<boolean> {
  return new Promise((resolve) => {
    const dialling = request({
      host: "127.0.0.1",
      ...place,
      path: controlPath,
      headers: { ...headers, connection: "Upgrade", upgrade: controlProtocol },
    });
    dialling.once("error", () => resolve(false));
    dialling.once("upgrade", (_response, socket) => {
      socket.on("error", () => undefined);
      let rest = "";
      socket.on("data", (piece: Buffer) => {
        const text = rest + piece.toString("latin1");
        const end = text.lastIndexOf("\n");
        rest = text.slice(end + 1);
        if (end < 0) return;
        // Only the last whole report is looked at: one acknowledgement is for all before it, as the platform's is.
        const last = text.slice(text.lastIndexOf("\n", end - 1) + 1, end);
        const number = /^\{"number":(\d+)/.exec(last)?.[1];
        if (number !== undefined) socket.write(`{"kind":"ack","number":${number}}\n`);
      });
      resolve(true);
    });
    dialling.end();
  });
}
