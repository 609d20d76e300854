// Processes that read code for syntax: one is started for a job, and may be kept for the next, as starting it takes longer
// than most jobs. A process that a job has ended, or that was late, is kept for nothing.

import { spawn, type ChildProcessByStdio } from "node:child_process";
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { SyntaxJob, SyntaxProblem } from "./syntax-program.ts";

/** The problems found, or why none could be looked for. Never rejects. */
export type ReadSyntax = (job: SyntaxJob, timeMs: number) => Promise<readonly SyntaxProblem[] | string>;

export interface SyntaxProcesses {
  readonly read: ReadSyntax;
  /** Ends the process that is kept; jobs that run end as they would have. */
  close(): void;
}

export interface SyntaxProcessesOptions {
  /** How long one without a job is kept; 0: not at all. */
  readonly keptMs: number;
}

const program = fileURLToPath(new URL("syntax-program.ts", import.meta.url));
const heapMebibytes = 512;
const mostAnswerBytes = 1024 ** 2;
/** What a parser leaves behind is given back with its process. */
const mostJobs = 200;

type Child = ChildProcessByStdio<Writable, Readable, null>;

/** A process, and how many jobs it has had. */
interface Reader {
  readonly child: Child;
  readonly jobCount: number;
}

export function createSyntaxProcesses({ keptMs }: SyntaxProcessesOptions): SyntaxProcesses {
  let idle: (Reader & { readonly timer: NodeJS.Timeout }) | null = null;
  let isClosed = keptMs === 0;

  function take(): Reader {
    const kept = idle;
    idle = null;
    if (kept === null) return start();
    clearTimeout(kept.timer);
    setHeld(kept.child, true);
    const isThere = kept.child.exitCode === null && kept.child.signalCode === null;
    return isThere ? kept : start();
  }

  function keep({ child, jobCount }: Reader): void {
    if (isClosed || idle !== null || jobCount >= mostJobs) {
      child.stdin.end();
      return;
    }
    setHeld(child, false);
    const timer = setTimeout(() => {
      idle = null;
      child.stdin.end();
    }, keptMs).unref();
    idle = { child, jobCount, timer };
  }

  async function readWith(reader: Reader, job: SyntaxJob, timeMs: number): ReturnType<ReadSyntax> {
    const { child, jobCount } = reader;
    const answer = await ask(child, job, timeMs);
    if (answer.kind === "found") keep({ child, jobCount: jobCount + 1 });
    // It may have ended before this job came, for a reason of its own.
    if (answer.kind === "ended" && jobCount > 0) return await readWith(start(), job, timeMs);
    return answer.kind === "found" ? answer.problems : answer.reason;
  }

  return {
    read: (job, timeMs) => readWith(take(), job, timeMs),
    close() {
      isClosed = true;
      if (idle === null) return;
      clearTimeout(idle.timer);
      idle.child.stdin.end();
      idle = null;
    },
  };
}

function start(): Reader {
  const child = spawn(
    process.execPath,
    ["--no-warnings", "--experimental-vm-modules", `--max-old-space-size=${heapMebibytes}`, program],
    { env: {}, stdio: ["pipe", "pipe", "ignore"] },
  );
  // Its end says what there is to say.
  child.stdin.on("error", () => undefined);
  child.stdout.setEncoding("utf8");
  return { child, jobCount: 0 };
}

/** One that waits keeps nobody from ending, and ends when its input does. */
function setHeld(child: Child, isHeld: boolean): void {
  for (const one of [child, child.stdin as Socket, child.stdout as Socket])
    if (isHeld) one.ref();
    else one.unref();
}

type Answer =
  | { readonly kind: "found"; readonly problems: readonly SyntaxProblem[] }
  | { readonly kind: "ended" | "failed"; readonly reason: string };

function ask(child: Child, job: SyntaxJob, timeMs: number): Promise<Answer> {
  return new Promise((resolve) => {
    let text = "";
    const timer = setTimeout(() => {
      settle({
        kind: "failed",
        reason: `Reading the code took more than ${timeMs} ms. Make its files smaller.`,
      });
      child.kill("SIGKILL");
    }, timeMs);
    function onError({ message }: Error): void {
      settle({ kind: "failed", reason: `The code could not be checked: ${message}.` });
    }
    function onClose(code: number | null, signal: string | null): void {
      const how = signal ?? `status ${code}`;
      settle({ kind: "ended", reason: `The code could not be read (${how}). Make its files smaller.` });
    }
    function onData(piece: string): void {
      text += piece;
      if (text.endsWith("\n"))
        settle({ kind: "found", problems: JSON.parse(text) as readonly SyntaxProblem[] });
      else if (text.length > mostAnswerBytes) child.kill("SIGKILL");
    }
    function settle(answer: Answer): void {
      clearTimeout(timer);
      child.stdout.off("data", onData);
      child.off("error", onError);
      child.off("close", onClose);
      resolve(answer);
    }
    child.stdout.on("data", onData);
    child.once("error", onError);
    child.once("close", onClose);
    child.stdin.write(`${JSON.stringify(job)}\n`);
  });
}
