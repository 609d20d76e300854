// What a Truss config.yaml says about the surroundings of a model's code, as a value: every field of Truss with its
// default, in our spelling. Types only; `truss-schema.ts` reads them, `truss-config.ts` writes them back.
// Source: truss 0.18.35, truss_config.py.

/** Every field is there but for those without a value. JSON-able. */
export interface TrussSettings {
  /** Such as `py311`. */
  readonly pythonVersion: string;
  /** Of the bundle: requirements.txt, pyproject.toml or uv.lock. Never together with `requirements`. */
  readonly requirementsFile?: string;
  /** Lines as pip reads them. */
  readonly requirements: readonly string[];
  /** Debian's packages. */
  readonly systemPackages: readonly string[];
  readonly environmentVariables: Readonly<Record<string, string>>;
  /** Names of secrets and what they are where the platform has none; null: they must be there. */
  readonly secrets: Readonly<Record<string, string | null>>;

  /** Directories of the bundle: code, data, and packages that code may import. */
  readonly modelModuleDir: string;
  readonly modelClassFilename: string;
  readonly modelClassName: string;
  readonly dataDir: string;
  readonly bundledPackagesDir: string;
  /** Of the author's machine, relative to the directory; their content is in `bundledPackagesDir` of a bundle. */
  readonly externalPackageDirs: readonly string[];
  /** Files to fetch below `dataDir` before the code is loaded. */
  readonly externalData: readonly ExternalData[];

  readonly runtime: TrussRuntime;
  readonly resources: TrussResources;
  readonly build: TrussBuild;
  /** Shell commands, in order, after the requirements are installed. */
  readonly buildCommands: readonly string[];
  readonly baseImage?: BaseImage;
  /** An HTTP server of the author's instead of a model class. */
  readonly dockerServer?: DockerServer;

  /** Never together with `weights`. */
  readonly modelCache: readonly CachedRepository[];
  readonly weights: readonly MountedWeights[];
  /** Kept as written: another engine's. */
  readonly trtLlm?: Readonly<Record<string, unknown>>;
  readonly bisLlm?: Readonly<Record<string, unknown>>;
  readonly bdn: Readonly<Record<string, unknown>>;
  readonly trainingCheckpoints?: Readonly<Record<string, unknown>>;
  readonly cacheInternal: readonly CachedRepository[];

  readonly examplesFilename: string;
  readonly liveReload: boolean;
  readonly applyLibraryPatches: boolean;
  readonly useLocalSrc: boolean;
  readonly inputType: string;
  readonly modelFramework: string;
  readonly modelType: string;
  readonly specVersion: string;
}

export interface ExternalData {
  readonly url: string;
  /** Relative to `dataDir`. */
  readonly localDataPath: string;
  readonly backend: string;
  readonly name?: string;
}

export interface TrussRuntime {
  /** Calls of `predict` that run at a time; the others wait. At least 1. */
  readonly predictConcurrency: number;
  /** Seconds that may pass between two pieces of a streamed answer. At least 1. */
  readonly streamingReadTimeout: number;
  readonly enableTracingData: boolean;
  readonly enableDebugLogs: boolean;
  readonly transport: TrussTransport;
  readonly healthChecks: HealthChecks;
  readonly oidc: { readonly enabled?: boolean };
  readonly remoteSsh: { readonly enabled: boolean };
  readonly egressRestrictions?: Readonly<Record<string, unknown>>;
  readonly trussServerVersionOverride?: string;
}

export type TrussTransport =
  | { readonly kind: "http" }
  | {
      readonly kind: "websocket";
      readonly pingIntervalSeconds?: number;
      readonly pingTimeoutSeconds?: number;
    }
  | { readonly kind: "grpc" };

/** Seconds; absent: the platform decides. */
export interface HealthChecks {
  readonly restartCheckDelaySeconds?: number;
  readonly restartThresholdSeconds?: number;
  readonly stopTrafficThresholdSeconds?: number;
  readonly startupThresholdSeconds?: number;
}

export interface TrussResources {
  /** Cores: `1`, or `500m` for half of one. */
  readonly cpu: string;
  /** Such as `2Gi`; `memoryBytes` reads it. */
  readonly memory: string;
  readonly accelerator?: Accelerator;
  readonly instanceType?: string;
  readonly nodeCount?: number;
  readonly fabric?: Readonly<Record<string, unknown>>;
}

export interface Accelerator {
  readonly name: string;
  /** At least 1. */
  readonly count: number;
}

export interface TrussBuild {
  readonly modelServer: "TrussServer" | "TRT_LLM";
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly secretToPathMapping: Readonly<Record<string, string>>;
}

export interface BaseImage {
  readonly image: string;
  /** Absolute, or empty. */
  readonly pythonExecutablePath: string;
  /** Its fields in our spelling: `authMethod`, `secretName` and others. */
  readonly dockerAuth?: Readonly<Record<string, unknown>>;
}

export interface DockerServer {
  /** Absent only with `noBuild`. */
  readonly startCommand?: string;
  readonly serverPort: number;
  readonly predictEndpoint: string;
  readonly readinessEndpoint: string;
  readonly livenessEndpoint: string;
  readonly runAsUserId?: number;
  readonly noBuild?: boolean;
}

/** A repository whose files are there before the code is loaded. */
export interface CachedRepository {
  readonly repoId: string;
  /** Empty: the newest. */
  readonly revision: string;
  /** Of files, as shells write them; absent: all. */
  readonly allowPatterns?: readonly string[];
  readonly ignorePatterns?: readonly string[];
  readonly useVolume: boolean;
  /** The directory's name; there with `useVolume`. */
  readonly volumeFolder?: string;
  readonly kind: "hf" | "gcs" | "s3" | "azure";
  readonly runtimeSecretName: string;
}

/** Files that code finds at an absolute path. */
export interface MountedWeights {
  /** `hf://owner/repository@revision`, or an address of s3, gs, azure, r2, cw or https. */
  readonly source: string;
  /** Absolute; no two are equal. */
  readonly mountLocation: string;
  /** Its fields in our spelling: `authMethod` and others. */
  readonly auth?: Readonly<Record<string, unknown>>;
  readonly authSecretName?: string;
  readonly allowPatterns?: readonly string[];
  readonly ignorePatterns?: readonly string[];
}
