/**
 * PATCHes of nodes that may have been made or not, because no answer came. Such a node counts as out of service, or a cache
 * that is behind would let another node start beside it.
 *
 * A new process lists the nodes anew before it acts, so that nothing is lost with this one.
 */
import type { DeepReadonly, Node } from "../../api/core.ts";
import { isRefused } from "../../kube/errors.ts";

/** Of one Onload resource. */
export class UnansweredPatches {
  /** By node: the resource version for which the PATCH was. */
  readonly #versions = new Map<string, string>();

  /**
   * Sends a PATCH that the API server makes only on the resource version that was seen: as soon as the cache has another one,
   * the PATCH is in it, or can be made no more.
   *
   * @param version the resource version that the PATCH carries
   * @throws what `send` throws
   */
  async follow<T>(node: string, version: string, send: () => Promise<T>): Promise<T> {
    const before = this.#versions.get(node);
    this.#versions.set(node, version);
    try {
      const answer = await send();
      this.#versions.delete(node);
      return answer;
    } catch (error) {
      // A refusal says nothing of an earlier PATCH on the same version that was not answered.
      if (isRefused(error) && before !== version) this.#versions.delete(node);
      throw error;
    }
  }

  /**
   * The nodes of which it is not known whether their PATCH was made, in order.
   *
   * @param nodes the cache
   */
  nodes(nodes: { get(name: string): DeepReadonly<Node> | undefined }): string[] {
    for (const [name, version] of this.#versions) {
      if (nodes.get(name)?.metadata.resourceVersion !== version) this.#versions.delete(name);
    }
    return [...this.#versions.keys()].toSorted();
  }
}
