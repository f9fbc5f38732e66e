import thirdParty from "./third-party.gen.txt" with { type: "text" };

/** The licences of all that is in the executable beside our own code. */
export const NOTICES: string = thirdParty;
