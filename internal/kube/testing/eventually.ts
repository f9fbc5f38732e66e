import type { Informer } from "../informer.ts";
import type { KubeObject } from "../../api/core.ts";

/** Resolves when `condition` holds; it is looked at after each change of the informer. */
export async function eventually<T extends KubeObject, I extends string>(
  informer: Informer<T, I>,
  condition: () => boolean,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const check = (): void => {
    if (condition()) resolve();
  };
  informer.subscribe(check);
  informer.onStateChange(check);
  check();
  await promise;
}

/** Resolves when `condition` holds; it is looked at every millisecond. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 1));
}
