/** What matters most of a resource: what `kubectl get onload`, `onloadctl status` and `plan` show first. */
export interface Headline {
  /** The reason of a condition. */
  reason: string;
  /** Its message. */
  message: string;
}

/** The headline of a resource that no operator has looked at: the default in the CRD. */
export const NOT_SEEN: Headline = {
  reason: "Unknown",
  message: "No operator has looked at it yet; if this stays so, see whether the operator is running",
};
