// What ends the rendering of a template early.

/** The text is no valid template. */
export class TemplateSyntaxFailure extends Error {}

/** A template does what Jinja or Python does not allow, as adding a number to a text. */
export class TemplateFailure extends Error {}

/** A template's own refusal, said through `raise_exception`. */
export class TemplateRefusal extends Error {}

/** The template took more steps, or made longer texts, than it may. */
export class TemplateTooCostly extends Error {}
