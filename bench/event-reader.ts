// Server-sent events out of the chunks they come in. Knows no server. Source: WHATWG HTML, section 9.2.

/** Takes chunks in any cut; calls back with the name ("" where there is none) and the parsed data of each event. */
export function createEventReader(onEvent: (name: string, data: unknown) => void): (chunk: string) => void {
  let rest = "";
  return (chunk) => {
    const frames = (rest + chunk).split("\n\n");
    rest = frames.pop() ?? "";
    for (const frame of frames) {
      let name = "";
      let data = "";
      for (const line of frame.split("\n")) {
        if (line.startsWith("event:")) name = line.slice(6).trim();
        else if (line.startsWith("data:")) data += line.slice(5).trim();
      }
      if (data !== "" && data !== "[DONE]") onEvent(name, JSON.parse(data));
    }
  };
}
