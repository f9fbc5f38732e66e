import { resume } from "../internal/operator/requests.ts";
import { requestCommand } from "./shared/request.ts";

export default requestCommand(
  {
    summary: "Let a paused rollout go on",
    description: "Sets spec.upgrade.paused to false.",
    examples: [{ run: "onloadctl resume onload -n onload-runtime", does: "Go on" }],
  },
  (onload) => resume(onload),
);
