/** The claim code on its way from one step to the next. In memory only. */
export const claimCode = $state({ text: '' });
