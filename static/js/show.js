// Puts "Show" into password fields. Without this script there is none, and
// nothing else is missing.
const word = document.querySelector("script[data-show]").dataset.show;

for (const input of document.querySelectorAll(".secret input")) {
  const button = document.createElement("button");
  const name = document.createElement("span");
  button.type = "button";
  button.setAttribute("aria-pressed", "false");
  name.className = "vh";
  name.textContent = `: ${input.labels[0].textContent}`;
  button.append(word, name);
  const show = (on) => {
    input.type = on ? "text" : "password";
    button.setAttribute("aria-pressed", on);
  };
  button.addEventListener("click", () => show(input.type === "password"));
  // A field that is sent as text would be remembered as text.
  input.form.addEventListener("submit", () => show(false));
  input.after(button);
}
