// What `requirements_file` may be besides a list of lines: a Python project's files. Pure.
// Source: truss 0.18.35, truss_config.py.

export function isProjectFile(path: string): boolean {
  return /(^|\/)(pyproject\.toml|uv\.lock)$/.test(path);
}

/** The project file that is read for it: a lock is not read, but the one beside it. */
export function projectFileOf(path: string): string {
  return `${path.slice(0, path.lastIndexOf("/") + 1)}pyproject.toml`;
}
