import { pause } from "../internal/operator/requests.ts";
import { requestCommand } from "./shared/request.ts";

export default requestCommand(
  {
    summary: "Pause the rollout of an Onload resource: no further node is upgraded",
    description:
      "Sets spec.upgrade.paused: nodes of an older version stay as they are, and those that are being upgraded are finished. Nodes that have no Onload yet get it all the same. A GitOps tool that has the resource may set it back: change its source too.",
    examples: [{ run: "onloadctl pause onload -n onload-runtime", does: "Hold an upgrade" }],
  },
  (onload) => pause(onload),
);
