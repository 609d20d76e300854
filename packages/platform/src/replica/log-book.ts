// The last lines that the replicas of this process wrote, by deployment. In memory only: a line is for whoever looks
// now, the platform's own log on stderr is for keeping.

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
  /** In order of the last line; the longest silent deployment is the first to be forgotten. */
  readonly #kept = new Map<string, Kept>();

  append(deploymentId: string, line: KeptLine): void {
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
