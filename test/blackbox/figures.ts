// A report as a page that people read.
import type { Report } from "./run.ts";

/** The goal for the time from a kill to the first correct answer. */
export const RECOVERY_GOAL_MS = 2_000;
const BREAKS_SHOWN_MAX = 50;

/** The figures as a Markdown table, then what was broken. */
export function figuresOf(report: Report): string {
  const { counts, recoveries, actsInOutages, probes } = report.faults;
  const sorted = [...recoveries].sort((a, b) => a - b);
  const max = sorted.at(-1) ?? 0;
  const at = (share: number) => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(0);
  const count = (word: string) => report.breaks.filter((sentence) => sentence.startsWith(word)).length;
  const rows: [string, string | number][] = [
    [
      "acts acknowledged",
      `${report.acts} (${report.actsPerSecond.toFixed(0)} a second), ${report.seconds.toFixed(0)} s in all`,
    ],
    ["of them done although the answer was lost, found by their key", report.foundByKey],
    ["attempts answered / refused / without an answer", Object.values(report.attempts).join(" / ")],
    [
      "kills (SIGKILL) / restarts (SIGTERM) / stalls (SIGSTOP) / D1 away / disk full",
      Object.values(counts).join(" / "),
    ],
    [
      "from a kill to the first correct answer",
      `p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, max ${max.toFixed(0)} ms: goal of ${RECOVERY_GOAL_MS} ms ${max <= RECOVERY_GOAL_MS ? "met" : "missed"}`,
    ],
    ["acts done while D1 was away; calls asked of D1 then", `${actsInOutages}; ${probes.length}`],
    [
      "stream messages / sockets that came back / told of a gap",
      `${report.streams.messages} / ${report.streams.returns} / ${report.streams.gaps}`,
    ],
    ["lost", count("lost")],
    ["doubled", count("doubled")],
    ["all breaks", report.breaks.length],
    [
      "what all ledgers sum to",
      Object.entries(report.sums)
        .map(([asset, sum]) => `${asset} ${sum}`)
        .join(", "),
    ],
    [
      "logged",
      Object.entries(report.events)
        .map(([event, times]) => `${event} ${times}`)
        .join(", ") || "nothing",
    ],
    ["seed", report.plan.seed],
  ];
  const lines = rows.map(([name, value]) => `| ${name} | ${value} |`);
  const notes = report.skipped.map((what) => `Skipped ${what}.`);
  const breaks = report.breaks.slice(0, BREAKS_SHOWN_MAX).map((sentence) => `- ${sentence}`);
  return ["| | |", "|---|---|", ...lines, ...notes, ...breaks].join("\n");
}
