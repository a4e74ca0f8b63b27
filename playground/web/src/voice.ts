// The browser's own voice. Voices that live on somebody's server are not used: they would hear every script.

import type { Stretch } from "./story";

export class Voice {
  on = false;
  #said: Stretch | null = null;

  /** Says a stretch of the call, or nothing. */
  say(stretch: Stretch | null): void {
    if (!("speechSynthesis" in window)) return;
    const key = stretch?.kind === "says" ? stretch : null;
    if (key?.from === this.#said?.from && key?.words === this.#said?.words) return;
    this.#said = key;
    speechSynthesis.cancel();
    if (!key || !this.on || key.words === "beep") return;
    const language = key.language ?? "en";
    const voice = speechSynthesis.getVoices().find((voice) => voice.localService && voice.lang.startsWith(language));
    if (!voice) return;
    const spoken = new SpeechSynthesisUtterance(key.words);
    spoken.voice = voice;
    spoken.lang = voice.lang;
    speechSynthesis.speak(spoken);
  }

  silence(): void {
    this.#said = null;
    if ("speechSynthesis" in window) speechSynthesis.cancel();
  }
}
