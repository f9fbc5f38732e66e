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
