// Where Node keeps what it compiled for the programs that tests start, if anywhere: half of a start is reading TypeScript.

export function compileCache(): Record<string, string> {
  const directory = process.env["NODE_COMPILE_CACHE"];
  return directory === undefined ? {} : { NODE_COMPILE_CACHE: directory };
}
