// Bytes of server-sent events → events. Pure; a line may come in any number of pieces.

export interface ReceivedEvent {
  /** `message` where it has none. */
  readonly name: string;
  readonly data: string;
}

export interface EventReader {
  /** Those that are complete with these bytes. Comments are left out. */
  push(bytes: Uint8Array): ReceivedEvent[];
}

export function createEventReader(): EventReader {
  const decoder = new TextDecoder();
  let rest = "";
  let name = "message";
  let data: string[] = [];
  return {
    push(bytes) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      const events: ReceivedEvent[] = [];
      for (const whole of lines) {
        const line = whole.endsWith("\r") ? whole.slice(0, -1) : whole;
        if (line === "") {
          if (data.length > 0) events.push({ name, data: data.join("\n") });
          name = "message";
          data = [];
        } else if (line.startsWith("event:")) name = valueOf(line);
        else if (line.startsWith("data:")) data.push(valueOf(line));
      }
      return events;
    },
  };
}

function valueOf(line: string): string {
  const value = line.slice(line.indexOf(":") + 1);
  return value.startsWith(" ") ? value.slice(1) : value;
}
