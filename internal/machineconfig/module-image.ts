import { UsageError } from "../cli/errors.ts";

/** A variable in an image reference, as in KMM. At boot the node replaces it by the version of its running kernel. */
export const KERNEL_VARIABLE = "${KERNEL_FULL_VERSION}";

const HOST_PART = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const HOST = `(?:${HOST_PART}(?:\\.${HOST_PART})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]{1,5})?`;
const PATH_PART = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const TAG = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
const DIGEST = "[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}";
const REFERENCE = new RegExp(`^(?:${HOST}/)?${PATH_PART}(?:/${PATH_PART})*(:${TAG})?(@${DIGEST})?$`);

/**
 * Checks the reference of a module image, which may contain {@link KERNEL_VARIABLE}.
 * Grammar: https://github.com/distribution/reference, reference.go.
 *
 * @throws UsageError
 */
export function checkModuleImage(image: string): void {
  const filled = image.replaceAll(KERNEL_VARIABLE, "5.14.0-1.el9_4.x86-64");
  if (filled.includes("$")) {
    throw new UsageError(`Flag --module-image cannot be "${image}": the only variable is ${KERNEL_VARIABLE}`);
  }
  const match = REFERENCE.exec(filled);
  if (!match) {
    throw new UsageError(
      `Flag --module-image cannot be "${image}": give an image such as registry.example.com/onload-module:v9.0-${KERNEL_VARIABLE}`,
    );
  }
  if (match[1] === undefined && match[2] === undefined) {
    throw new UsageError(
      `Flag --module-image cannot be "${image}": add a tag or digest, such as ${image}:v9.0-${KERNEL_VARIABLE}`,
    );
  }
}
