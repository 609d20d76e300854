// What a model's tokens and time cost, from when to when. A price is data: it changes no run.

import { ServingError, type Price, type PutPrice } from "@corral/contract";
import type { Selectable } from "kysely";
import { inTransaction, withRetry } from "../store/retry.ts";
import type { Db } from "../store/schema.ts";
import type { PricesTable } from "../store/tables/usage.ts";
import { currencyOf } from "./report.ts";

export type PriceRow = Selectable<PricesTable> & { readonly model_name: string };

/**
 * Sets what the model costs from `validFrom` on; a price of the same moment is replaced.
 * Fails with `conflict` where the project has prices in another currency.
 */
export function putPrice(
  db: Db,
  projectId: string,
  modelId: string,
  price: PutPrice,
  validFrom: Date,
): Promise<PriceRow> {
  const values = {
    currency: price.currency,
    prompt_token: price.prompt_token,
    cached_token: price.cached_token ?? price.prompt_token,
    generated_token: price.generated_token,
    per_ms: price.per_ms,
  };
  return withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      // Two first prices at a time must not have two currencies.
      await transaction
        .selectFrom("projects")
        .select("id")
        .where("id", "=", projectId)
        .forUpdate()
        .executeTakeFirstOrThrow();
      const currency = await currencyOf(transaction, projectId);
      if (currency !== null && currency !== price.currency) {
        throw new ServingError(
          "conflict",
          `currency is ${price.currency}; the project's prices are in ${currency}, and all must be in one.`,
        );
      }
      await transaction
        .insertInto("prices")
        .values({ project_id: projectId, model_id: modelId, valid_from: validFrom, ...values })
        .onConflict((conflict) => conflict.columns(["model_id", "valid_from"]).doUpdateSet(values))
        .execute();
      return await named(transaction)
        .where("prices.model_id", "=", modelId)
        .where("prices.valid_from", "=", validFrom)
        .executeTakeFirstOrThrow();
    }),
  );
}

/** Of all models, or of one; the newest of each model first. */
export function listPrices(db: Db, projectId: string, modelId?: string): Promise<PriceRow[]> {
  return withRetry(db, async () => {
    let query = named(db).where("prices.project_id", "=", projectId);
    if (modelId !== undefined) query = query.where("prices.model_id", "=", modelId);
    return await query
      .orderBy("models.name")
      .orderBy("prices.model_id")
      .orderBy("prices.valid_from", "desc")
      .limit(10_000)
      .execute();
  });
}

function named(db: Db) {
  return db
    .selectFrom("prices")
    .innerJoin("models", "models.id", "prices.model_id")
    .selectAll("prices")
    .select("models.name as model_name");
}

export function toPrice(row: PriceRow): Price {
  return {
    model_id: row.model_id,
    model_name: row.model_name,
    valid_from: row.valid_from.toISOString(),
    currency: row.currency,
    prompt_token: row.prompt_token,
    cached_token: row.cached_token,
    generated_token: row.generated_token,
    per_ms: row.per_ms,
  };
}
