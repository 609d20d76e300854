// A process that supervises a database and writes into it until it is killed: the tests' stand-in for the
// platform. Flushing is off: these tests kill processes, not the machine. Prints "ready <pid of the postmaster>" and then "ack <n>" for every row whose commit was answered.

import pg from "pg";
import { startPostgres } from "./start-postgres.ts";

const [, , dataDirectory = "", writerCount = "4"] = process.argv;
const postgres = await startPostgres({ dataDirectory, settings: { fsync: "off" } });
const pool = new pg.Pool({ ...postgres.connection, max: Number(writerCount) });
pool.on("error", () => {});
await pool.query("create table if not exists written (n bigint primary key)");
const { rows } = await pool.query<{ n: string }>("select coalesce(max(n), 0) n from written");
let next = Number(rows[0]?.n) + 1;
process.stdout.write(`ready ${postgres.pid}\n`);

const write = async () => {
  for (;;) {
    const n = next++;
    await pool.query("insert into written values ($1)", [n]);
    process.stdout.write(`ack ${n}\n`);
  }
};
await Promise.all(Array.from({ length: Number(writerCount) }, write));
