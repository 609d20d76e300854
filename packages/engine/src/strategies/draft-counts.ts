// How many tokens were drafted and verified, and how many of them proved right: by prompt lookup and by draft models.

export interface DraftCounts {
  count(draftedCount: number, acceptedCount: number): void;
  /** Since the start; neither ever falls. */
  read(): DraftedCounts;
}

export interface DraftedCounts {
  readonly draftedTokenCount: number;
  readonly acceptedTokenCount: number;
}

export function createDraftCounts(): DraftCounts {
  let draftedTokenCount = 0;
  let acceptedTokenCount = 0;
  return {
    count(drafted, accepted) {
      draftedTokenCount += drafted;
      acceptedTokenCount += accepted;
    },
    read: () => ({ draftedTokenCount, acceptedTokenCount }),
  };
}
