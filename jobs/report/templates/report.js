// One excerpt plays at a time; its button shows the progress.
"use strict";
document.documentElement.classList.remove("no-script");
let playing = null;

function stop() {
  if (!playing) return;
  playing.audio.pause();
  playing.audio.currentTime = 0;
  playing.button.classList.remove("is-playing");
  playing.button.style.removeProperty("--progress");
  playing = null;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-excerpt]");
  if (!button) return;
  const wasPlaying = playing && playing.button === button;
  stop();
  if (wasPlaying) return;
  const audio = document.getElementById(button.dataset.excerpt);
  playing = { audio, button };
  button.classList.add("is-playing");
  audio.onended = stop;
  audio.ontimeupdate = () => {
    if (playing && playing.audio === audio && audio.duration) {
      playing.button.style.setProperty("--progress", audio.currentTime / audio.duration);
    }
  };
  audio.play();
});
