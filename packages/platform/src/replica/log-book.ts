// The last lines that the replicas of this process wrote, by deployment, in memory: for whoever looks now. What is kept is
// kept by `../logs/log-store.ts`, to which every line is handed on.

export interface KeptLine {
  readonly at: string;
  readonly replica_id: string;
  readonly line: string;
}

export const keptLineCount = 1_000;
/** Characters of one deployment's lines: a talkative model must not fill the platform's memory. */
export const keptCharacterCount = 512 * 1024;
const keptDeploymentCount = 200;

interface Kept {
  readonly lines: KeptLine[];
  characterCount: number;
}

export class LogBook {
  readonly #keep: (deploymentId: string, line: KeptLine) => void;
  /** In order of the last line; the longest silent deployment is the first to be forgotten. */
  readonly #kept = new Map<string, Kept>();

  constructor(keep: (deploymentId: string, line: KeptLine) => void = () => {}) {
    this.#keep = keep;
  }

  append(deploymentId: string, line: KeptLine): void {
    this.#keep(deploymentId, line);
    const kept = this.#kept.get(deploymentId) ?? { lines: [], characterCount: 0 };
    kept.lines.push(line);
    kept.characterCount += line.line.length;
    while (kept.lines.length > keptLineCount || kept.characterCount > keptCharacterCount)
      kept.characterCount -= kept.lines.shift()?.line.length ?? 0;
    this.#kept.delete(deploymentId);
    this.#kept.set(deploymentId, kept);
    if (this.#kept.size <= keptDeploymentCount) return;
    const [silent] = this.#kept.keys();
    if (silent !== undefined) this.#kept.delete(silent);
  }

  /** The last `count` lines, oldest first. */
  tail(deploymentId: string, count: number): readonly KeptLine[] {
    return (this.#kept.get(deploymentId)?.lines ?? []).slice(-count);
  }
}
