/** EF_ variables by their name, as a process has them in its environment. */
export type Settings = Readonly<Record<string, string>>;

/** Something about a setting that its author will not expect. */
export interface SettingProblem {
  name: string;
  /** One sentence for people, with what to do. */
  message: string;
}
