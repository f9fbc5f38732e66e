import { UsageError } from "../cli/errors.ts";

/** A variable in an image reference, as in KMM. At boot the node replaces it by the version of its running kernel. */
export const KERNEL_VARIABLE = "${KERNEL_FULL_VERSION}";

const DIGEST = /@[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}$/;
const TAG = /:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const HOST = /^(?:[a-zA-Z0-9.-]+|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;
const HOST_PART = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?$/;
const PATH_PART = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;

/** A reference without its tag and digest. */
function isRepository(name: string): boolean {
  const [first, ...rest] = name.split("/");
  return (isHost(first!) && rest.length > 0 ? rest : [first!, ...rest]).every((part) => PATH_PART.test(part));
}

function isHost(text: string): boolean {
  if (!HOST.test(text)) return false;
  return (
    text.startsWith("[") ||
    text
      .replace(/:[0-9]*$/, "")
      .split(".")
      .every((part) => HOST_PART.test(part))
  );
}

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
  const named = filled.replace(DIGEST, "");
  const name = named.replace(TAG, "");
  if (!isRepository(name)) {
    throw new UsageError(
      `Flag --module-image cannot be "${image}": give an image such as registry.example.com/onload-module:v9.0-${KERNEL_VARIABLE}`,
    );
  }
  if (name === filled) {
    throw new UsageError(
      `Flag --module-image cannot be "${image}": add a tag or digest, such as ${image}:v9.0-${KERNEL_VARIABLE}`,
    );
  }
}
