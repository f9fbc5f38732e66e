import { LOOK_NOW_QUERY } from "../api/names.ts";
import { metricsHandler } from "../probes/metrics-handler.ts";
import type { Handler } from "../probes/server.ts";
import type { NodeKnowledge, PodMonitor } from "./pod-monitor.ts";

/**
 * Answers with what is known of the node's containers. As with metrics, clients that ask for too much share a text: it
 * may have some megabytes.
 *
 * @param node what is known of the node itself
 * @param now milliseconds of a clock that never goes back
 */
export function accelerationHandler(
  pods: Pick<PodMonitor, "text" | "lookAnew" | "lookedAt">,
  node: () => NodeKnowledge,
  now?: () => number,
): Handler {
  const source = {
    contentType: "application/json",
    metrics: async () => pods.text(node()),
    version: () => pods.lookedAt,
  };
  const text = metricsHandler(source, now);
  return async (request) => {
    if (request.query === LOOK_NOW_QUERY) await pods.lookAnew();
    return await text(request);
  };
}
