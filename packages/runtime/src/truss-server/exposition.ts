// A replica's own counts for Prometheus, under the names that a Python server's client library gives its process.

const startedAtSeconds = Date.now() / 1000 - process.uptime();

export const expositionType = "text/plain; version=0.0.4; charset=utf-8";

/** @param codeBytes resident memory of the code's processes, beside the replica's own */
export function exposition(codeBytes: number): string {
  const { user, system } = process.cpuUsage();
  return [
    metric(
      "process_resident_memory_bytes",
      "gauge",
      "Resident memory size in bytes.",
      residentBytes() + codeBytes,
    ),
    metric(
      "process_start_time_seconds",
      "gauge",
      "Start time of the process since unix epoch in seconds.",
      startedAtSeconds,
    ),
    metric(
      "process_cpu_seconds_total",
      "counter",
      "Total user and system CPU time spent in seconds.",
      (user + system) / 1e6,
    ),
  ].join("");
}

function residentBytes(): number {
  return process.memoryUsage.rss();
}

function metric(name: string, type: "gauge" | "counter", help: string, value: number): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`;
}
