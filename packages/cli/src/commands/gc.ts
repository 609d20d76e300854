// `corral gc`: what nothing needs any more is removed, or shown.

import { garbageKinds, type CollectGarbage, type GarbageReport } from "@corral/contract";
import { listOption, textOption, type CommandDefinition } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { byteText, table } from "../table.ts";

export const gc: CommandDefinition = {
  name: "gc",
  summary: "Remove what nothing refers to any more, or show what would be removed.",
  details:
    "Ended runs over their time, deployments that were deleted, drafts that patches replaced, and files of the platform's\nmachine that no deployment needs: bundles, weights, saved prefixes, environments, logs. What is referred to never goes, nor\nwhat was used within --older-than. The hub's cache is cleared with --kind hub alone: other installations of this user and\nPython's libraries share it, and what only they need may go as well.",
  options: [
    { flags: "--dry-run", summary: "remove nothing; show what would be removed, and why" },
    {
      flags: "--older-than <time>",
      summary: "leave what was used within so long, such as 12h, 7d or 4w (default: 7d, at least 1h)",
    },
    {
      flags: "--kind <kind>",
      summary: "of this kind alone, repeatable (default: all but hub)",
      choices: garbageKinds,
      repeatable: true,
    },
  ],
  examples: [
    ["corral gc --dry-run", "what would go, each with its reason"],
    [
      "corral gc --older-than 30d --kind hub --kind prefixes",
      "what was not used for a month, of the hub's cache too",
    ],
  ],
  async run(context, _args, options) {
    const olderThan = textOption(options, "olderThan");
    const kinds = listOption(options, "kind");
    const body: Partial<CollectGarbage> = {
      dry_run: options["dryRun"] === true,
      ...(olderThan === undefined ? {} : { older_than_seconds: secondsOf(olderThan) }),
      ...(kinds === undefined ? {} : { kinds: garbageKinds.filter((kind) => kinds.includes(kind)) }),
    };
    const report = await context.client().collectGarbage(body, { signal: context.signal });
    context.print(report, () => textOf(report, context.terminal));
    for (const warning of report.warnings) context.note(warning);
    if (report.kept > 0)
      context.note(`${report.kept} that were to go are in use by now, or could not be removed.`);
  },
};

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

function secondsOf(text: string): number {
  const [, count, unit] = /^(\d{1,9})([smhdw])$/.exec(text.trim()) ?? [];
  const seconds = Number(count) * (unitSeconds[unit ?? ""] ?? NaN);
  if (Number.isNaN(seconds))
    throw new UsageError(
      `--older-than is ${JSON.stringify(text)}; give a number with s, m, h, d or w, such as 12h or 7d.`,
    );
  return seconds;
}

function textOf(
  { dry_run: isDry, kinds, items, items_left_out: leftOut }: GarbageReport,
  terminal: boolean,
): string {
  const sums = table(
    ["kind", isDry ? "would go" : "removed", "size"],
    kinds.map(({ kind, count, bytes }) => [kind, String(count), byteText(bytes)]),
    terminal,
  );
  if (!isDry || items.length === 0) return sums;
  const each = table(
    ["kind", "id", "size", "last used", "reason"],
    items.map(({ kind, id, bytes, last_used_at: at, reason }) => [kind, id, byteText(bytes), at, reason]),
    terminal,
  );
  return [sums, "", each, ...(leftOut === 0 ? [] : [`and ${leftOut} more`])].join("\n");
}
