// Which servers of an author's can be started as a process: what needs an image is refused by name.

import type { TrussSettings } from "@corral/bundle";
import { ServingError, type FieldError } from "@corral/contract";

/** Fails with `invalid_bundle`, which names every field that only an image could have. */
export function requireStartable(truss: TrussSettings): void {
  const { dockerServer, baseImage, buildCommands, runtime } = truss;
  const errors: FieldError[] = [];
  const refuse = (pointer: string, message: string) =>
    errors.push({ pointer, code: "unsupported_parameter", message });
  if (baseImage !== undefined)
    refuse(
      "/base_image",
      "base_image names an image, and servers run here as processes, without images: put what the server needs into the bundle or into requirements, and remove base_image.",
    );
  if (dockerServer?.startCommand === undefined)
    refuse(
      "/docker_server/start_command",
      "docker_server.start_command is needed here: without it the image would start the server, and there is none.",
    );
  if (buildCommands.length > 0)
    refuse(
      "/build_commands",
      "build_commands are run when an image is built, and none is: do what they do in docker_server.start_command.",
    );
  if (dockerServer?.runAsUserId !== undefined)
    refuse(
      "/docker_server/run_as_user_id",
      "docker_server.run_as_user_id needs a container: the server runs as the platform's user. Remove it.",
    );
  if (runtime.transport.kind === "grpc")
    refuse(
      "/runtime/transport",
      "runtime.transport is grpc, and servers are called over HTTP and websockets here. Use http or websocket.",
    );
  if (errors.length === 0) return;
  throw new ServingError("invalid_bundle", errors.map(({ message }) => message).join(" "), { errors });
}
