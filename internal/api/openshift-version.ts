/** A release of OpenShift, or of OKD. */
export interface OpenShiftVersion {
  major: number;
  minor: number;
  /** The release's own name, such as 4.14.3 or 4.10.0-0.okd-2022-03-07-131213. */
  release: string;
}

/**
 * A version as `oc version` and people write it: 4.14, v4.14.3, 4.16.0-rc.3, 4.17.0-0.nightly-2024-08-01-000000,
 * 4.10.0-0.okd-2022-03-07-131213. undefined for anything else.
 */
export function parseOpenShiftVersion(text: string): OpenShiftVersion | undefined {
  const version = /^v?((\d{1,4})\.(\d{1,4})(?:\.\d{1,5}(?:[-+][0-9A-Za-z][-+.0-9A-Za-z]{0,99})?)?)$/.exec(text);
  if (!version) return undefined;
  const [, release = "", major, minor] = version;
  return { major: Number(major), minor: Number(minor), release };
}
