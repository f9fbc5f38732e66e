import { pause } from "../internal/operator/requests.ts";
import { requestCommand } from "./shared/request.ts";

export default requestCommand(
  {
    summary: "Let no further node start with the rollout of an Onload resource",
    description:
      "Sets spec.upgrade.paused: nodes of an older version stay as they are, and those that are being upgraded are finished. A GitOps tool that has the resource may set it back: change its source too.",
    examples: [{ run: "onloadctl pause onload -n onload-runtime", does: "Hold the rollout" }],
  },
  (onload) => pause(onload),
);
