// A run followed as server-sent events, live and afterwards, from whichever platform process and place in its text.

import { ServingError } from "@corral/contract";
import type { FastifyInstance, FastifyReply } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { readLastEventId, type RunEventOut } from "../runs/stream/run-events.ts";
import { findVisibleRun } from "./runs.ts";
import type { ManagementServices } from "./services.ts";

/** Proxies give up on a connection that is silent for longer than this. */
const pingEveryMs = 15_000;

const description = `Server-sent events: \`token\` {text, sequence, prompt} for each piece of its text, \`attempt\` {attempt}
where it is tried again and its text begins anew, and \`done\` with status, usage and finish reasons. The id of an event is
ATTEMPT-OFFSET, the offset in UTF-16 code units: send the last one you saw as \`Last-Event-ID\` to go on there. After
\`done\` the answer is 204.`;

export function registerRunStreamRoutes(plain: FastifyInstance, services: ManagementServices): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  for (const url of ["/api/v1/runs/:run/stream", "/runs/:run/stream"]) {
    app.get(
      url,
      {
        config: { guard: "predict" },
        schema: {
          summary: "Follow a run's text as server-sent events, from any place on",
          description,
          tags: ["runs"],
          params: z.object({ run: z.string() }),
          querystring: z.object({
            last_event_id: z
              .string()
              .optional()
              .describe("For clients that cannot set the header `Last-Event-ID`."),
          }),
        },
      },
      async (request, reply) => {
        const row = await findVisibleRun(services.db, request, request.params.run);
        const header = request.headers["last-event-id"];
        const given = (typeof header === "string" ? header : undefined) ?? request.query.last_event_id;
        const last = readLastEventId(given);
        if (last === null) throw unknownPlace(given ?? "");
        if (last.kind === "done") return reply.code(204).send();
        if (!row.stored)
          throw new ServingError(
            "conflict",
            `Run ${row.id} was called with store: false, so its text is not kept; only the call itself can stream it.`,
          );
        const over = new AbortController();
        const from = last.kind === "place" ? last.place : null;
        await send(reply, services.runStreams.follow(row, from, over.signal), over);
        return reply;
      },
    );
  }
}

/** Never rejects: the status is sent, so a failure ends the connection, and the reader comes back. */
async function send(
  reply: FastifyReply,
  events: AsyncIterable<RunEventOut>,
  over: AbortController,
): Promise<void> {
  const { raw: response } = reply;
  reply.hijack();
  response.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
  });
  response.write(": ping\n\n");
  response.once("close", () => over.abort());
  const pings = setInterval(() => {
    if (!response.writableNeedDrain && !response.destroyed) response.write(": ping\n\n");
  }, pingEveryMs).unref();
  try {
    for await (const { name, id, data } of events) {
      if (response.destroyed) return;
      const isTaken = response.write(`id: ${id}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
      if (!isTaken) await drained(reply);
    }
    response.end();
  } catch (error) {
    reply.log.warn({ err: String(error) }, "a run cannot be followed any further");
    response.destroy();
  } finally {
    clearInterval(pings);
    over.abort();
  }
}

function drained({ raw: response }: FastifyReply): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once("drain", resolve).once("close", resolve);
  if (response.destroyed) resolve();
  return promise;
}

function unknownPlace(given: string): ServingError {
  const message = `Last-Event-ID is ${JSON.stringify(given.slice(0, 60))}; send the id of an event of this run, such as "0-57", or none to begin at the beginning.`;
  return new ServingError("invalid_parameter", message);
}
