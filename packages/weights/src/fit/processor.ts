// Which of a processor's instructions decide how llama.cpp keeps weights. Reads nothing: the text of /proc/cpuinfo is an
// argument.

/** Instructions that llama.cpp v0.5.0 asks for before it copies weights into another order. */
export type ProcessorFeature = "avx2" | "avx512" | "amx" | "dotprod" | "i8mm" | "sve256";

export interface Processor {
  /** As Node names it: "x64", "arm64". */
  readonly architecture: string;
  readonly features: ReadonlySet<ProcessorFeature>;
}

/** Flags of /proc/cpuinfo that the packaged builds of llama.cpp need all of. */
const neededFlags: Readonly<Record<string, Partial<Record<ProcessorFeature, readonly string[]>>>> = {
  x64: {
    avx2: ["avx", "f16c", "fma", "avx2", "bmi2"],
    avx512: ["avx2", "avx512f", "avx512cd", "avx512vl", "avx512dq", "avx512bw"],
    amx: ["avx512f", "avx512vbmi", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8"],
  },
  // Built for Linux, integer matrix products come only with vectors of any length.
  arm64: { dotprod: ["asimddp"], i8mm: ["asimddp", "sve", "i8mm"] },
};

/** @param cpuInfo the text of /proc/cpuinfo; without it the commonest processor of the architecture is assumed */
export function processorOf(architecture: string, cpuInfo: string | null): Processor {
  const flags = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuInfo ?? "")?.[1]?.split(/\s+/) ?? null;
  if (flags === null) {
    const common: readonly ProcessorFeature[] = architecture === "x64" ? ["avx2"] : ["dotprod"];
    return { architecture, features: new Set(common) };
  }
  const has = new Set(flags);
  const features = Object.entries(neededFlags[architecture] ?? {}).filter(([, needed]) =>
    needed.every((flag) => has.has(flag)),
  );
  return { architecture, features: new Set(features.map(([name]) => name as ProcessorFeature)) };
}
