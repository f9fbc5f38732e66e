import { retry } from "../internal/operator/requests.ts";
import { requestCommand } from "./shared/request.ts";

export default requestCommand(
  {
    summary: "Try again what has failed",
    description:
      "Gives the annotation onload.amd.com/retry a new value: steps that have failed are tried again, and a rollback ends.",
    examples: [{ run: "onloadctl retry onload -n onload-runtime", does: "Try the same version again" }],
  },
  (onload) => retry(onload, Date.now()),
);
