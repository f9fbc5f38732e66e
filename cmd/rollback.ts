import { rollback } from "../internal/operator/requests.ts";
import { requestCommand } from "./shared/request.ts";

export default requestCommand(
  {
    summary: "Go back to the last version that was Ready on every node",
    description:
      "Makes spec.onload what status.lastReady has: version, images and mappings of the last rollout that was Ready on every node. Nodes go back one after the other, as in an upgrade. A GitOps tool that has the resource may change it back: change its source too.",
    examples: [{ run: "onloadctl rollback onload -n onload-runtime", does: "Go back" }],
  },
  (onload) => rollback(onload),
);
