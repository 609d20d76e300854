// The platform's end of a replica's control channel, as far as a measurement needs one: dialled, and every report
// acknowledged as it comes.

import { request, type RequestOptions } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { controlPath, controlProtocol } from "@corral/contract";

/** Dials until the replica listens, which is before it is ready. */
export async function acknowledgeReports(
  replica: Pick<RequestOptions, "host" | "port" | "socketPath" | "headers">,
) {
  while (!(await tryDial(replica))) await sleep(20);
}

function tryDial(replica: RequestOptions): Promise<boolean> {
  return new Promise((resolve) => {
    const dialling = request({
      ...replica,
      path: controlPath,
      headers: { ...replica.headers, connection: "Upgrade", upgrade: controlProtocol },
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
