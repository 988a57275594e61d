/** What every step is given. */
export interface StepProps {
  /** The claim code, between the first two steps. */
  code: string;
  /** Goes to another step. */
  go: (
    to: 'claim' | 'password' | 'name' | 'network' | 'store' | 'image' | 'summary' | 'done',
  ) => void;
}
