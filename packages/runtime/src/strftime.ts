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

/** Directives that are not listed here stay as they are. "-" after the percent sign leaves out what fills a number. */
export function formatTime(time: Date, format: string): string {
  return format.replaceAll(/%(-?)([A-Za-z%])/g, (whole, bare: string, letter: string) => {
    const value = directive(time, letter);
    if (value === null) return whole;
    return bare === "" ? value : value.replace(/^[0 ]+(?=.)/, "");
  });
}

function directive(time: Date, letter: string): string | null {
  const two = (value: number, fill = "0") => String(value).padStart(2, fill);
  const month = months[time.getMonth()] ?? "";
  const day = days[time.getDay()] ?? "";
  const hour = time.getHours() % 12 || 12;
  switch (letter) {
    case "Y":
      return String(time.getFullYear());
    case "y":
      return two(time.getFullYear() % 100);
    case "C":
      return two(Math.floor(time.getFullYear() / 100));
    case "m":
      return two(time.getMonth() + 1);
    case "d":
      return two(time.getDate());
    case "e":
      return two(time.getDate(), " ");
    case "B":
      return month;
    case "b":
    case "h":
      return month.slice(0, 3);
    case "A":
      return day;
    case "a":
      return day.slice(0, 3);
    case "H":
      return two(time.getHours());
    case "k":
      return two(time.getHours(), " ");
    case "I":
      return two(hour);
    case "l":
      return two(hour, " ");
    case "p":
      return time.getHours() < 12 ? "AM" : "PM";
    case "P":
      return time.getHours() < 12 ? "am" : "pm";
    case "M":
      return two(time.getMinutes());
    case "S":
      return two(time.getSeconds());
    case "f":
      return String(time.getMilliseconds() * 1_000).padStart(6, "0");
    case "j":
      return String(dayOfYear(time)).padStart(3, "0");
    case "u":
      return String(time.getDay() || 7);
    case "w":
      return String(time.getDay());
    case "U":
      return two(Math.floor((dayOfYear(time) + 6 - time.getDay()) / 7));
    case "W":
      return two(Math.floor((dayOfYear(time) + 6 - ((time.getDay() + 6) % 7)) / 7));
    case "s":
      return String(Math.floor(time.getTime() / 1_000));
    case "F":
      return formatTime(time, "%Y-%m-%d");
    case "T":
    case "X":
      return formatTime(time, "%H:%M:%S");
    case "D":
    case "x":
      return formatTime(time, "%m/%d/%y");
    case "R":
      return formatTime(time, "%H:%M");
    case "c":
      return formatTime(time, "%a %b %e %H:%M:%S %Y");
    case "r":
      return formatTime(time, "%I:%M:%S %p");
    // `datetime.now()` has no time zone to tell.
    case "z":
    case "Z":
      return "";
    case "n":
      return "\n";
    case "t":
      return "\t";
    case "%":
      return "%";
    default:
      return null;
  }
}

/** From 1. */
function dayOfYear(time: Date): number {
  const midnight = Date.UTC(time.getFullYear(), time.getMonth(), time.getDate());
  return (midnight - Date.UTC(time.getFullYear(), 0, 1)) / 86_400_000 + 1;
}
