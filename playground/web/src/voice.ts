// The browser's own voice. Voices that live on somebody's server are not used: they would hear every script.

function voiceFor(language: string): SpeechSynthesisVoice | undefined {
  if (!("speechSynthesis" in window)) return undefined;
  const own = speechSynthesis.getVoices().filter(({ localService }) => localService);
  const [exact, short] = [language.replace("_", "-"), language.slice(0, 2)].map((name) => name.toLowerCase());
  const speaks = (name: string | undefined) => own.find(({ lang }) => lang.toLowerCase().startsWith(name ?? ""));
  return speaks(exact) ?? speaks(short);
}

/** Whether the browser can speak a language by itself. */
export const canSpeak = (language: string) => voiceFor(language) !== undefined;

/** Speaks words, so that they take about this long. */
export function speak(words: string, language: string, seconds: number): void {
  const voice = voiceFor(language);
  if (!voice) return;
  const spoken = new SpeechSynthesisUtterance(words);
  spoken.voice = voice;
  spoken.lang = voice.lang;
  // At its usual pace a voice says some two and a half words a second.
  const usual = words.split(/\s+/).length / 2.5;
  spoken.rate = seconds > 0 ? Math.max(0.8, Math.min(1.8, usual / seconds)) : 1;
  speechSynthesis.speak(spoken);
}

export function hush(): void {
  if ("speechSynthesis" in window) speechSynthesis.cancel();
}
