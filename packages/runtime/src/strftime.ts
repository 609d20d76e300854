// Python's `strftime` for chat templates, in English as Python's C locale has it. Local time, as `datetime.now()`.

const months = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** Directives that are not listed here stay as they are. */
export function formatTime(time: Date, format: string): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const month = months[time.getMonth()] ?? "";
  const day = days[time.getDay()] ?? "";
  const values: Readonly<Record<string, string>> = {
    "%Y": String(time.getFullYear()),
    "%y": two(time.getFullYear() % 100),
    "%m": two(time.getMonth() + 1),
    "%d": two(time.getDate()),
    "%B": month,
    "%b": month.slice(0, 3),
    "%A": day,
    "%a": day.slice(0, 3),
    "%H": two(time.getHours()),
    "%I": two(time.getHours() % 12 || 12),
    "%p": time.getHours() < 12 ? "AM" : "PM",
    "%M": two(time.getMinutes()),
    "%S": two(time.getSeconds()),
    "%%": "%",
  };
  return format.replaceAll(/%[A-Za-z%]/g, (directive) => values[directive] ?? directive);
}
