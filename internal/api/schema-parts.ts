import * as z from "zod";

/** Text of bounded length. */
export const text = (max = 1024): z.ZodString => z.string().meta({ maxLength: max });

/** A count or a number of seconds, in the range of a 32-bit integer. */
export const int32 = (minimum: number): z.ZodInt => z.int().meta({ format: "int32", minimum });
